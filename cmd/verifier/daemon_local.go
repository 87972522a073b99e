package main

import (
	"context"
	"net/url"

	"verifier"
	"verifier/web"
)

// What callers on this machine may do without a token (the key local). Without the key they are admin where nobody else can reach the
// daemon, as far as can be told: see localAccess.
const (
	localAdmin = "admin"
	localRead  = "read"
	localOff   = "off"
)

var localModes = []string{"", localAdmin, localRead, localOff}

// local says what a caller on this machine may do without a token, as things are now.
func (d *Daemon) local(ctx context.Context) web.Local {
	cfg := d.live().cfg
	tokens := true
	if cfg.Local == "" {
		list, err := d.store.Tokens(ctx)
		d.failed("look for tokens", err)
		tokens = err != nil || len(list) > 0
	}
	return localAccess(cfg, isLoopback(d.ln.Addr()), tokens)
}

// localAccess decides it. A proxy on this machine makes all its callers look local, and one that adds no header cannot be told from a
// person; so the implicit admin ends as soon as anything says that others may reach the daemon.
func localAccess(cfg *Config, loopback, tokens bool) web.Local {
	switch cfg.Local {
	case localAdmin:
		return web.Local{Scopes: verifier.Scopes}
	case localRead:
		return web.Local{Scopes: []string{verifier.ScopeRead}, Why: "without a token callers on this machine may only read (local: read in verifier.yaml)"}
	case localOff:
		return web.Local{Why: "local: off in verifier.yaml"}
	}
	const set = "; to allow callers on this machine without one, set local: admin or local: read in verifier.yaml"
	switch {
	case !loopback:
		return web.Local{}
	case !isLoopbackURL(cfg.URL):
		return web.Local{Why: "url in verifier.yaml is not loopback, so that callers may come through a proxy" + set}
	case tokens:
		return web.Local{Why: "tokens exist" + set}
	}
	return web.Local{Scopes: verifier.Scopes}
}

func isLoopbackURL(address string) bool {
	u, err := url.Parse(address)
	return err == nil && web.IsLoopback(u.Host)
}
