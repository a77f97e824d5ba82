package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "inventory:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("sbom or licences expected")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	version := flags.String("version", "", "version of the program")
	seconds := flags.Int64("time", 0, "time of the build, in seconds since 1970")
	modcache := flags.String("modcache", "", "the module cache, go env GOMODCACHE")
	goroot := flags.String("goroot", "", "the Go installation, go env GOROOT")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("binaries expected")
	}
	mods, err := modules(flags.Args())
	if err != nil {
		return err
	}
	all, ids, err := licencesByModule(mods, *modcache, *goroot)
	if err != nil {
		return err
	}
	switch args[0] {
	case "sbom":
		return newBOM(*version, time.Unix(*seconds, 0), mods, ids).write(out)
	case "licences":
		return writeLicences(out, mods, all, ids)
	}
	return fmt.Errorf("unknown command %q", args[0])
}
