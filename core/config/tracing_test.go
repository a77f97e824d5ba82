package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTracing(t *testing.T) {
	for text, want := range map[string]*Tracing{
		"":                             {},
		"observability: {tracing: {}}": {},
		"observability: {tracing: {endpoint: 'http://c:4317', protocol: grpc, headers: {x-key: 12}}}": {Endpoint: "http://c:4317", Protocol: "grpc", Headers: map[string]string{"x-key": "12"}},
		"observability: {tracing: {endpoint: 'https://c/v1/traces', protocol: http/protobuf}}":        {Endpoint: "https://c/v1/traces", Protocol: "http/protobuf"},
		"observability: {tracing: {endpoint: 'c:4317'}}":                                              nil,
		"observability: {tracing: {protocol: udp}}":                                                   nil,
	} {
		l, findings, err := Load(write(t, minimal+text), nil)
		if want == nil {
			if err == nil || !strings.Contains(lines(findings), "observability.tracing.") {
				t.Errorf("%s: got %v, want a finding", text, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if d := cmp.Diff(*want, l.Tracing); d != "" {
			t.Errorf("%s: %s", text, d)
		}
	}
}

func TestHeadersOfTracingAreSecret(t *testing.T) {
	_, findings, err := Load(write(t, minimal+"observability: {tracing: {headers: {authorization: [s3cret]}}}"), nil)
	if err == nil || strings.Contains(lines(findings), "s3cret") {
		t.Errorf("got %v: %s", err, lines(findings))
	}
}
