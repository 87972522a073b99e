package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"verifier"
	"verifier/sources"
)

// reload reads the files again. Files with errors change nothing: the previous configuration stays in effect, and log, metric and console
// say so.
func (d *Daemon) reload(ctx context.Context) {
	was := d.live()
	s, err := load(was.cfg.path, d.rt, d.log, d.metrics.Asked)
	if err == nil {
		s.cfg.Listen = was.cfg.Listen
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
}

// lookAtFiles is how often the files are looked at. Looking works where notices do not: network disks, swapped links, editors that
// replace files.
const lookAtFiles = time.Second

// keepFiles reloads at SIGHUP and when a file changes. Files that are wrong are read again at every look: they may name others, which
// are mended instead.
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
