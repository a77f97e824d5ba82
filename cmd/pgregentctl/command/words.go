package command

import "fmt"

// words makes an error of a whole sentence, as a person reads it: most are
// those of Patroni's tool, which scripts look for.
func words(format string, args ...any) error { return fmt.Errorf(format, args...) }
