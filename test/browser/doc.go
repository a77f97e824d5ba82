// Package browser drives a real headless Chromium, over the pipe that its
// DevTools protocol offers. It is for tests only.
//
// A Tab is for one goroutine. Close ends the browser by its process id.
package browser
