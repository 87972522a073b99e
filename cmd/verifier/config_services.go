package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"verifier"
	"verifier/intake"
	"verifier/rollback"
)

// ServicesConfig is the catalogue: a list in place, or a folder of files with one list each.
type ServicesConfig struct {
	list   []ServiceConfig
	folder string
}

// standing is where an entry of the catalogue stands.
type standing struct {
	file *problems
	key  key
}

// problems gathers what is wrong with the entry.
func (s standing) problems() *problems {
	return &problems{doc: s.file.doc, refused: s.file.refused}
}

// ServiceConfig is one entry of the catalogue; what it does not say is left as earlier entries said it.
type ServiceConfig struct {
	Match struct {
		Service     string `yaml:"service"`
		Environment string `yaml:"environment"`
		Target      string `yaml:"target"`
		Team        string `yaml:"team"`
	} `yaml:"match"`
	Team      *string            `yaml:"team"`
	Aliases   []string           `yaml:"aliases"`
	Tell      []verifier.Outcome `yaml:"tell"`
	Names     map[string]string  `yaml:"names"`
	Versions  *string            `yaml:"versions"`
	DependsOn []string           `yaml:"depends_on"`
	Links     map[string]string  `yaml:"links"`
	Rollback  *RollbackConfig    `yaml:"rollback"`

	at standing
}

// RollbackConfig is what is allowed, and how it is done.
type RollbackConfig struct {
	Mode          *verifier.RollbackMode `yaml:"mode"`
	By            *rollback.Config       `yaml:"by"`
	Countdown     *time.Duration         `yaml:"countdown"`
	ConfirmWithin *time.Duration         `yaml:"confirm_within"`
	Most          *struct {
		PerService *int           `yaml:"per_service"`
		All        *int           `yaml:"all"`
		In         *time.Duration `yaml:"in"`
	} `yaml:"most"`
	AtLeastApart *time.Duration `yaml:"at_least_apart"`
	ActWithin    *time.Duration `yaml:"act_within"`
}

// UnmarshalYAML takes a list of entries or the name of a folder.
func (s *ServicesConfig) UnmarshalYAML(unmarshal func(any) error) error {
	var either any
	if err := unmarshal(&either); err != nil {
		return err
	}
	if folder, ok := either.(string); ok {
		s.folder = folder
		return nil
	}
	return unmarshal(&s.list)
}

// read adds the entries of the folder's files, in the order of their names.
func (s *ServicesConfig) read(all *problems, folder string) {
	info, err := os.Stat(folder)
	switch {
	case err != nil:
		all.bad(key{"services"}, "there is no folder %s: name a folder of catalogue files, or write the list here", s.folder)
		return
	case !info.IsDir():
		all.bad(key{"services"}, "%s is a file: name a folder of catalogue files, or write the list here", s.folder)
		return
	}
	files, _ := filepath.Glob(filepath.Join(folder, "*.y*ml")) // unreachable error: the pattern is sound
	if len(files) == 0 {
		all.bad(key{"services"}, "the folder %s has no *.yaml files", s.folder)
		return
	}
	slices.Sort(files)
	for _, f := range files {
		var list []ServiceConfig
		_, p := decodeFile(f, &list)
		for i := range list {
			list[i].at = standing{p, key{i}}
		}
		all.list = append(all.list, p.list...)
		p.list = nil
		s.list = append(s.list, list...)
	}
}

// check names what is wrong with the entries, each with where it stands.
func (s *ServicesConfig) check(all *problems) {
	known := map[string]string{}
	for i := range s.list {
		e := &s.list[i]
		if e.at.file == nil {
			e.at = standing{all, key{"services", i}}
		}
		if name := e.Match.Service; e.single() {
			known[strings.ToLower(name)] = name
		}
	}
	for i := range s.list {
		p := s.list[i].at.problems()
		s.list[i].check(p, known)
		all.list = append(all.list, p.list...)
	}
}

// single reports whether the entry names one service.
func (s *ServiceConfig) single() bool {
	return s.Match.Service != "" && !strings.ContainsAny(s.Match.Service, "*?[")
}

func (s *ServiceConfig) check(p *problems, known map[string]string) {
	at := func(more ...any) key { return append(slices.Clone(s.at.key), more...) }
	for _, m := range []struct{ key, glob string }{
		{"service", s.Match.Service}, {"environment", s.Match.Environment}, {"target", s.Match.Target}, {"team", s.Match.Team},
	} {
		checkGlob(p, at("match", m.key), m.glob)
	}
	if len(s.Aliases) > 0 && !s.single() {
		p.bad(at("aliases"), "only an entry whose match names one service can have aliases: write match: {service: NAME}")
	} else {
		s.checkAliases(p, at, known)
	}
	if s.Team != nil {
		if problem := verifier.NameProblem(*s.Team); problem != "" {
			p.bad(at("team"), "%s", problem)
		}
	}
	if s.Versions != nil && !slices.Contains([]string{"auto", "number", "seen"}, *s.Versions) {
		p.bad(at("versions"), "invalid order %q: must be auto, number or seen", *s.Versions)
	}
	for i, o := range s.Tell {
		if o != "passed" && o != verifier.Inconclusive {
			p.bad(at("tell", i), "invalid outcome %q: must be passed or inconclusive", o)
		}
	}
	s.Rollback.check(p, func(more ...any) key { return at(append([]any{"rollback"}, more...)...) })
}

// checkAliases holds that an alias stands for one service.
func (s *ServiceConfig) checkAliases(p *problems, at func(...any) key, known map[string]string) {
	for i, alias := range s.Aliases {
		if problem := verifier.NameProblem(alias); problem != "" {
			p.bad(at("aliases", i), "%s", problem)
			continue
		}
		lower := strings.ToLower(alias)
		if other, taken := known[lower]; taken && !strings.EqualFold(other, s.Match.Service) {
			p.bad(at("aliases", i), "duplicate name %q: it is a name or an alias of %s already", alias, other)
			continue
		}
		known[lower] = s.Match.Service
	}
}

func (r *RollbackConfig) check(p *problems, at func(...any) key) {
	if r == nil {
		return
	}
	if r.Mode != nil && !slices.Contains(verifier.Modes, *r.Mode) {
		p.bad(at("mode"), "invalid mode %q: must be off, suggest, approve or auto", *r.Mode)
	}
	if r.By != nil && r.By.Empty() {
		p.bad(at("by"), "is empty: write %s", rollback.Keys())
	}
	if m := r.Most; m != nil {
		for _, n := range []struct {
			key  string
			most *int
		}{{"per_service", m.PerService}, {"all", m.All}} {
			if n.most != nil && *n.most < 0 {
				p.bad(at("most", n.key), "%d is negative: use 0 or more", *n.most)
			}
		}
	}
}

// entry is the configuration as the catalogue knows it.
func (s ServiceConfig) entry() verifier.Entry {
	return verifier.Entry{
		Match:   verifier.Match{Service: s.Match.Service, Environment: s.Match.Environment, Target: s.Match.Target, Team: s.Match.Team},
		Aliases: s.Aliases,
		Apply:   s.apply,
	}
}

func (s ServiceConfig) apply(to *verifier.Service) {
	set(&to.Team, s.Team)
	set(&to.Versions, s.Versions)
	if s.Tell != nil {
		to.Tell = s.Tell
	}
	if s.DependsOn != nil {
		to.DependsOn = s.DependsOn
	}
	for k, v := range s.Names {
		to.Names[k] = v
	}
	for k, v := range s.Links {
		to.Links[k] = v
	}
	if r := s.Rollback; r != nil {
		r.apply(&to.Rollback)
	}
}

func (r *RollbackConfig) apply(to *verifier.RollbackPolicy) {
	set(&to.Mode, r.Mode)
	set(&to.Countdown, r.Countdown)
	set(&to.ConfirmWithin, r.ConfirmWithin)
	set(&to.AtLeastApart, r.AtLeastApart)
	set(&to.ActWithin, r.ActWithin)
	if m := r.Most; m != nil {
		set(&to.PerService, m.PerService)
		set(&to.All, m.All)
		set(&to.In, m.In)
	}
	if r.By != nil {
		to.By, to.Asks = wayName(*r.By), r.By.Follows()
	}
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// wayName names a way of rolling back by what it is, so that a call that waits is never made by another way after a change of
// the configuration.
func wayName(c rollback.Config) string {
	text, _ := json.Marshal(c) // unreachable error: plain fields
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// ways are all ways of rolling back that the catalogue names; what is wrong with one is among the problems.
func (c *Config) ways(rt transport) map[string]rollback.Way {
	out := map[string]rollback.Way{}
	for _, s := range c.Services.list {
		if s.Rollback == nil || s.Rollback.By == nil || s.Rollback.By.Empty() {
			continue
		}
		way, err := rollback.New(s.Rollback.By.Placed(c.relative), rt)
		if err != nil {
			p := s.at.problems()
			p.near(s.at.key.with("rollback", "by"), err)
			c.problems.list = append(c.problems.list, p.list...)
		}
		out[wayName(*s.Rollback.By)] = way
	}
	return out
}

// hooks are the secrets of deploy tools, their files beside the configuration.
func (c *Config) hooks() intake.Config {
	out := map[string]intake.Hook{}
	for name, h := range c.Hooks {
		h.SecretFile = c.relative(h.SecretFile)
		if h.API != nil {
			api := *h.API
			api.KeyFile = c.relative(api.KeyFile)
			h.API = &api
		}
		out[name] = h
	}
	return intake.Config{Hooks: out}
}

// openHooks reads the hooks' secrets and mappings; what is wrong with one is among the problems. rt asks Amazon SNS for its certificates.
func (c *Config) openHooks(rt transport) intake.Hooks {
	all := c.hooks()
	out := intake.Hooks{}
	for _, name := range slices.Sorted(maps.Keys(all.Hooks)) {
		one, err := intake.NewHooks(intake.Config{Hooks: map[string]intake.Hook{name: all.Hooks[name]}, Transport: rt})
		if err != nil {
			_, problem, _ := strings.Cut(err.Error(), ": ")
			c.problems.near(key{"hooks", name}, errors.New(problem))
			continue
		}
		maps.Copy(out, one)
	}
	return out
}
