// Command inventory writes down what is in our binaries: a CycloneDX list of modules
// and the licence texts of all of them, both taken from the build information
// that the Go linker leaves in each binary, so that they name what is shipped
// and nothing else.
//
//	inventory sbom     -version V -time SECONDS BINARY... > pgregent.cdx.json
//	inventory licences -modcache DIR -goroot DIR BINARY... > LICENCES
//
// It fails when a module has no licence text, or one that is not among those
// that an Apache-2.0 program may ship. Its output depends on its input alone.
package main
