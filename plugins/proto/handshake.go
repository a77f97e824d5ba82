package proto

// The handshake of github.com/hashicorp/go-plugin: a plugin that is started
// without the cookie in its environment explains itself and exits.
const (
	CookieKey   = "PGREGENT_PLUGIN"
	CookieValue = "b2f7d1f0-pgregent.plugin"
)

// Version is the protocol version of package pgregent.plugin.v1.
const Version = 1

// ServiceName is the one plugin that a plugin process serves; what it can do
// is told by Base.Info.
const ServiceName = "pgregent"
