// Package otlp is a collector for tests: it takes spans over OTLP, by gRPC and
// by HTTP, on loopback ports of its own, and keeps them in memory.
package otlp
