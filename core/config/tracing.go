package config

import (
	"net/url"

	"github.com/pgregent/pgregent/core/cluster"
)

// Tracing is the native observability.tracing section. What is empty is as
// the OTEL_* variables of OpenTelemetry say.
type Tracing struct {
	// Endpoint is the URL of an OTLP collector, Protocol "grpc" or
	// "http/protobuf".
	Endpoint, Protocol string
	// Headers go with every request; they may hold a secret.
	Headers map[string]string
}

func (d *document) tracing() Tracing {
	const section = "observability.tracing"
	t := Tracing{Endpoint: d.text(section + ".endpoint"), Protocol: d.text(section + ".protocol")}
	if u, err := url.Parse(t.Endpoint); t.Endpoint != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		d.report(Error, section+".endpoint", t.Endpoint, "must be a URL: http://host:4317 for grpc, http://host:4318 for http/protobuf, or https")
	}
	headers, _ := d.lookup(section + ".headers").(*cluster.Object)
	for name, value := range headers.All() {
		if t.Headers == nil {
			t.Headers = map[string]string{}
		}
		t.Headers[name] = cluster.Text(value)
	}
	return t
}
