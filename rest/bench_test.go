package rest

import (
	"bufio"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
)

// BenchmarkKeepAlive sends requests one after the other on each of 16
// connections for each processor: the rate is of the server and this small
// client together.
func BenchmarkKeepAlive(b *testing.B) {
	for _, method := range []string{"HEAD", "GET"} {
		b.Run(method, func(b *testing.B) {
			address := serve(b, Options{Backend: newFake(b)})
			request := []byte(method + " /primary HTTP/1.1\r\nHost: x\r\n\r\n")
			b.ReportAllocs()
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				conn, err := net.Dial("tcp", address)
				if err != nil {
					b.Error(err)
					return
				}
				defer func() { _ = conn.Close() }()
				in := bufio.NewReader(conn)
				for pb.Next() {
					if _, err := conn.Write(request); err != nil {
						b.Error(err)
						return
					}
					if err := skipAnswer(in, method == "GET"); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
		})
	}
}

// skipAnswer reads one answer; a body has a Content-Length.
func skipAnswer(in *bufio.Reader, hasBody bool) error {
	length := 0
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			break
		}
		const field = "Content-Length: "
		if len(line) > len(field) && string(line[:len(field)]) == field {
			if length, err = strconv.Atoi(string(line[len(field) : len(line)-2])); err != nil {
				return err
			}
		}
	}
	if !hasBody {
		return nil
	}
	_, err := in.Discard(length)
	return err
}

// BenchmarkHandler is the work of one request without the network.
func BenchmarkHandler(b *testing.B) {
	for _, method := range []string{"HEAD", "GET"} {
		b.Run(method, func(b *testing.B) {
			s := New(Options{Backend: newFake(b)})
			r := httptest.NewRequest(method, "/primary", http.NoBody)
			b.ReportAllocs()
			for b.Loop() {
				s.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
}
