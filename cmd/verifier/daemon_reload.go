package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// reload reads the files again. Files that are wrong change nothing: the older ones stay in force, and log, metric and console say so.
func (d *Daemon) reload(ctx context.Context) {
	d.loading.Lock()
	defer d.loading.Unlock()
	was := d.live()
	s, err := load(was.cfg.path, d.rt, d.log, d.metrics.Asked)
	if err == nil {
		s.cfg.Listen = was.cfg.Listen
		was = d.setup.Load()
		d.use(s)
		err = d.settle(ctx, s, d.now())
	}
	if err != nil {
		d.problem.Store(err.Error())
		d.metrics.Loaded(was.rules.Len(), true)
		d.log.Error("the files on disk are wrong; those of before stay in force", "err", err)
		return
	}
	d.problem.Store("")
	d.log.Info("files read again", "rules", s.rules.Len(), "sources", len(s.sources))
}

// keepFiles reloads at SIGHUP and when a file changes.
func (d *Daemon) keepFiles(ctx context.Context) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		d.failed("watch the files (SIGHUP still works)", err)
		watcher = &fsnotify.Watcher{}
	} else {
		defer watcher.Close()
		d.watch(watcher)
	}
	var soon <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			d.reload(ctx)
		case e := <-watcher.Events:
			if d.concerns(e.Name) && !e.Has(fsnotify.Chmod) {
				soon = time.After(200 * time.Millisecond) // editors write in several steps
			}
		case <-soon:
			soon = nil
			d.reload(ctx)
			d.watch(watcher)
		}
	}
}

// files are the configuration and the rules.
func (d *Daemon) files() []string {
	s := d.live()
	files := s.rules.Files()
	if s.cfg.path != "" {
		files = append(files, s.cfg.path)
	}
	if folder := s.cfg.Services.folder; folder != "" {
		files = append(files, filepath.Join(s.cfg.relative(folder), "*"))
	}
	return append(files, s.cfg.relative(s.cfg.Rules))
}

// watch looks at the folders: editors and ConfigMaps replace files instead of writing them.
func (d *Daemon) watch(w *fsnotify.Watcher) {
	for _, f := range d.files() {
		d.failed("watch "+f, w.Add(filepath.Dir(f)))
	}
	if rules := d.live().cfg.relative(d.live().cfg.Rules); isFolder(rules) {
		d.failed("watch "+rules, w.Add(rules))
	}
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// concerns reports whether a changed file is one of ours, or the link that a ConfigMap is swapped by.
func (d *Daemon) concerns(name string) bool {
	if filepath.Base(name) == "..data" {
		return true
	}
	for _, f := range d.files() {
		if filepath.Clean(f) == filepath.Clean(name) || filepath.Base(f) == "*" && filepath.Dir(f) == filepath.Dir(name) {
			return true
		}
	}
	rules := filepath.Clean(d.live().cfg.relative(d.live().cfg.Rules))
	ext := filepath.Ext(name)
	return isFolder(rules) && filepath.Dir(filepath.Clean(name)) == rules && (ext == ".yaml" || ext == ".yml")
}
