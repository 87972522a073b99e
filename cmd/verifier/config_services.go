package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"verifier"
	"verifier/rollback"
)

// ServicesConfig is the catalogue: a list in place, or a folder of files with one list each.
type ServicesConfig struct {
	list   []ServiceConfig
	folder string
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
func (s *ServicesConfig) read(folder string) error {
	files, err := filepath.Glob(filepath.Join(folder, "*.y*ml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("services: no *.yaml in the folder %s", folder)
	}
	slices.Sort(files)
	for _, f := range files {
		text, err := readConfig(f)
		if err != nil {
			return err
		}
		var list []ServiceConfig
		if err := decodeYAML(text, &list); err != nil {
			return fmt.Errorf("%s:%w", f, err)
		}
		s.list = append(s.list, list...)
	}
	return nil
}

// check names what is wrong with the entries, each by its number.
func (s *ServicesConfig) check() []error {
	var problems []error
	for i, e := range s.list {
		at := fmt.Sprintf("services[%d]", i)
		bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(at+format, args...)) }
		if len(e.Aliases) > 0 && (e.Match.Service == "" || strings.ContainsAny(e.Match.Service, "*?")) {
			bad(".aliases: only an entry whose match names one service can have aliases")
		}
		if e.Versions != nil && !slices.Contains([]string{"auto", "number", "seen"}, *e.Versions) {
			bad(".versions: %q is none; write auto, number or seen", *e.Versions)
		}
		for _, o := range e.Tell {
			if o != "passed" && o != verifier.Inconclusive {
				bad(".tell: %q is none; write passed or inconclusive", o)
			}
		}
		problems = append(problems, e.Rollback.check(at+".rollback")...)
	}
	return problems
}

func (r *RollbackConfig) check(at string) []error {
	if r == nil {
		return nil
	}
	var problems []error
	if r.Mode != nil && !slices.Contains(verifier.Modes, *r.Mode) {
		problems = append(problems, fmt.Errorf("%s.mode: %q is none; write off, suggest, approve or auto", at, *r.Mode))
	}
	if r.By != nil && r.By.Webhook == nil && r.By.Command == nil {
		problems = append(problems, fmt.Errorf("%s.by is empty; write webhook or command", at))
	}
	return problems
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
		to.By = wayName(*r.By)
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

// ways are all ways of rolling back that the catalogue names.
func (c *Config) ways(rt transport) (map[string]rollback.Way, error) {
	out := map[string]rollback.Way{}
	for i, s := range c.Services.list {
		if s.Rollback == nil || s.Rollback.By == nil {
			continue
		}
		way, err := rollback.New(*s.Rollback.By, rt)
		if err != nil {
			return nil, fmt.Errorf("%s: services[%d].rollback.by: %w", c.path, i, err)
		}
		out[wayName(*s.Rollback.By)] = way
	}
	return out, nil
}
