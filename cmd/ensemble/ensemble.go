package ensemble

import (
	"fmt"
	"log/slog"

	"github.com/pgregent/pgregent/core/config"
	"github.com/pgregent/pgregent/rest/certs"
	"github.com/pgregent/pgregent/zkdcs"
)

// Access reads the certificates that z names. log is told of certificates that
// change, or that are another host's; it may be nil.
func Access(z config.ZooKeeper, log *slog.Logger) (zkdcs.Access, error) {
	a := zkdcs.Access{Hosts: z.Hosts, AuthData: z.AuthData}
	t := z.TLS
	if t == nil {
		return a, nil
	}
	check := certs.HostTold
	if t.VerifyHost != nil {
		check = certs.HostIgnored
		if *t.VerifyHost {
			check = certs.HostRequired
		}
	}
	var err error
	a.TLS, err = certs.NewHostClient(certs.ClientOptions{
		CertFile: t.CertFile, KeyFile: t.KeyFile, KeyPassword: t.KeyPassword, CAFile: t.CAFile, Verify: t.Verify, Logger: log,
	}, check)
	if err != nil {
		return a, fmt.Errorf("read the certificates of the zookeeper section: %w", err)
	}
	return a, nil
}
