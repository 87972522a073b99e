package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"time"

	"verifier"
	"verifier/sources"
)

// fixed is what a reload cannot change: it is used at the start alone.
type fixed struct {
	listen, store, holdFile, timezone string
	zone                              *time.Location
	agent                             *AgentConfig
	byFlag                            bool // listen is the flag's
}

func fixedBy(cfg *Config, listen string) fixed {
	return fixed{listen: orDefault(listen, cfg.Listen), store: cfg.Store, holdFile: cfg.HoldFile, timezone: cfg.Timezone, zone: cfg.zone, agent: cfg.Self.NewRelic, byFlag: listen != ""}
}

// differs names the keys of a configuration that only a restart would apply.
func (f fixed) differs(cfg *Config) (keys []string) {
	for _, k := range []struct {
		name    string
		changed bool
	}{
		{"listen", !f.byFlag && cfg.Listen != f.listen},
		{"self.newrelic", !reflect.DeepEqual(cfg.Self.NewRelic, f.agent)},
		{"store", cfg.Store != f.store},
		{"timezone", cfg.Timezone != f.timezone},
	} {
		if k.changed {
			keys = append(keys, k.name)
		}
	}
	return keys
}

// keep lets a configuration say what is in effect until the restart.
func (f fixed) keep(cfg *Config) {
	cfg.Listen = f.listen
	if cfg.Store != f.store && cfg.HoldFile == cfg.Store+".hold" {
		cfg.HoldFile = f.holdFile
	}
	cfg.Store, cfg.Timezone, cfg.zone = f.store, f.timezone, f.zone
}

// reload reads the files again. Files with errors change nothing: the previous configuration stays in effect, and log, metric and console
// say so.
func (d *Daemon) reload(ctx context.Context) {
	was := d.live()
	var restart []string
	s, err := load(was.cfg.path, d.rt, d.log, d.metrics.Asked)
	if err == nil {
		restart = d.start.differs(s.cfg)
		d.start.keep(s.cfg)
		if s.cfg.bound {
			s.cfg.URL = linkTo(d.ln.Addr())
		}
		d.failed("scrape by ourselves", sources.TakeOver(was.sources, s.sources, d.log))
		d.use(s)
		if err = d.settle(ctx, s, d.now()); err != nil {
			d.failed("scrape by ourselves", sources.TakeOver(s.sources, was.sources, d.log))
			d.use(was)
		}
	}
	if err != nil {
		if d.problem.Swap(err.Error()) != err.Error() {
			for _, one := range verifier.EachError(err) {
				d.log.Error("configuration error; the previous configuration stays in effect", "err", one)
			}
		}
		d.metrics.Loaded(d.live().rules.Len(), true)
		return
	}
	d.problem.Store("")
	d.log.Info("files read again", "rules", s.rules.Len(), "sources", len(s.sources))
	d.restart.Store(&restart)
	if len(restart) > 0 {
		d.log.Warn("a changed key needs a restart", "keys", strings.Join(restart, ", "))
	}
}

// lookAtFiles is how often the files are looked at. Looking works where notices do not: network disks, swapped links, editors that
// replace files.
const lookAtFiles = time.Second

// keepFiles reloads at SIGHUP and when a file changes. Files that are wrong are read again at every look: they may name others, which
// are fixed instead.
func (d *Daemon) keepFiles(ctx context.Context) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	tick := time.NewTicker(lookAtFiles)
	defer tick.Stop()
	known := d.live().stamp
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			known = stampOf(d.live())
			d.reload(ctx)
		case <-tick.C:
			if now := stampOf(d.live()); now != known || d.problem.Load() != "" {
				known = now
				d.reload(ctx)
			}
		}
	}
}

// stampOf tells one state of the files on disk from another: their names, sizes and times.
func stampOf(s *setup) string {
	files := append(slices.Clone(s.rules.Files()), s.cfg.path)
	for _, folder := range []string{s.cfg.relative(s.cfg.Rules), s.cfg.relative(s.cfg.Services.folder)} {
		if folder == "" {
			continue
		}
		found, _ := filepath.Glob(filepath.Join(folder, "*.y*ml")) // unreachable error: the pattern is sound
		files = append(files, found...)
	}
	var out strings.Builder
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			fmt.Fprintf(&out, "%s is gone\n", f)
			continue
		}
		fmt.Fprintf(&out, "%s %d %d\n", f, info.Size(), info.ModTime().UnixNano())
	}
	return out.String()
}
