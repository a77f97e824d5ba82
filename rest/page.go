package rest

import (
	"embed"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

//go:embed page/index.html page/page.css page/page.js
var page embed.FS

// pagePolicy lets a browser load what this server sends and nothing else, run
// no script that stands in the page, send nothing anywhere, and show the page
// in nobody's frame.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// pageTypes are the files of the page, by their path below /ui.
var pageTypes = map[string]struct{ file, kind string }{
	"":         {"page/index.html", "text/html; charset=utf-8"},
	"page.css": {"page/page.css", "text/css; charset=utf-8"},
	"page.js":  {"page/page.js", "text/javascript; charset=utf-8"},
}

// ui answers GET /ui, the cluster page, and what it consists of. It is static:
// what it shows comes from the endpoints that everybody uses.
func (s *Server) ui(c *gin.Context) {
	path, _ := target(c.Request)
	_, name, deep := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	asset, ok := pageTypes[name]
	switch {
	case deep && name == "": // relative addresses in the page are those of /ui
		c.Header("Location", "../ui")
		statusOnly(c, http.StatusMovedPermanently)
		return
	case !ok:
		text(c, http.StatusNotFound, "there is no such file of the cluster page")
		return
	}
	content, err := page.ReadFile(asset.file)
	if err != nil {
		text(c, http.StatusInternalServerError, err.Error())
		return
	}
	for name, value := range map[string]string{
		"Content-Security-Policy": pagePolicy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"X-Frame-Options": "DENY", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		"Cache-Control": "no-cache", "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
	} {
		c.Header(name, value)
	}
	body(c, http.StatusOK, asset.kind, content)
}
