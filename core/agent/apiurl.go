package agent

// api is the address of this agent's REST API.
func (a *Agent) api() string {
	url, _ := a.apiURL.Load().(string) // none in an agent that New has not made
	return url
}

// SetAPIURL changes the address that is published in the member key.
func (a *Agent) SetAPIURL(url string) {
	if a.apiURL.Swap(url) != url {
		a.Wake()
	}
}
