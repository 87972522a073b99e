package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"verifier"
	"verifier/intake"
	"verifier/lifecycle"
)

// Config is verifier.yaml: what belongs to all, and each package's own configuration.
type Config struct {
	Listen       string                  `yaml:"listen"`
	Local        string                  `yaml:"local"`
	Rules        string                  `yaml:"rules"`
	URL          string                  `yaml:"url"`
	Store        string                  `yaml:"store"`
	Timezone     string                  `yaml:"timezone"`
	Environments []EnvironmentConfig     `yaml:"environments"`
	Sources      map[string]SourceConfig `yaml:"sources"`
	Hooks        map[string]intake.Hook  `yaml:"hooks"`
	Services     ServicesConfig          `yaml:"services"`
	Unrelated    lifecycle.Unrelated     `yaml:"unrelated"`
	Holds        []FreezeConfig          `yaml:"holds"`
	HoldFile     string                  `yaml:"hold_file"`
	Reports      []ReportConfig          `yaml:"reports"`
	Retention    RetentionConfig         `yaml:"retention"`
	Self         SelfConfig              `yaml:"self"`

	// Alertmanager's own; alerting loads them from the text.
	Global        any `yaml:"global"`
	Receivers     any `yaml:"receivers"`
	Route         any `yaml:"route"`
	TimeIntervals any `yaml:"time_intervals"`
	Templates     any `yaml:"templates"`
	InhibitRules  any `yaml:"inhibit_rules"`

	Sinks map[string]SinkConfig  `yaml:"sinks"`
	Gates map[string]GatesConfig `yaml:"gates"`

	path     string
	doc      *document // nil without a file
	problems *problems
	zone     *time.Location
	bound    bool // the URL is where it listens: none is configured
}

// EnvironmentConfig is one environment by all its names.
type EnvironmentConfig struct {
	Name       string   `yaml:"name"`
	Aliases    []string `yaml:"aliases"`
	Production bool     `yaml:"production"`
}

// FreezeConfig is a hold by schedule: from each time of the cron expression on, for so long.
type FreezeConfig struct {
	Cron         string        `yaml:"cron"`
	For          time.Duration `yaml:"for"`
	Services     []string      `yaml:"services"`
	Environments []string      `yaml:"environments"`
	Teams        []string      `yaml:"teams"`
	Stops        []string      `yaml:"stops"`
	Reason       string        `yaml:"reason"`
}

// ReportConfig is a report by schedule.
type ReportConfig struct {
	Cron     string `yaml:"cron"`
	Receiver string `yaml:"receiver"`
	By       string `yaml:"by"`
}

// RetentionConfig is how long what was seen and what was sent is kept. Deploys and findings are kept for ever.
type RetentionConfig struct {
	Evidence   time.Duration `yaml:"evidence"`
	Deliveries time.Duration `yaml:"deliveries"`
}

// SelfConfig is where verifier's own troubles go.
type SelfConfig struct {
	Receiver  string `yaml:"receiver"`
	Heartbeat struct {
		URL   string        `yaml:"url"`
		Every time.Duration `yaml:"every"`
	} `yaml:"heartbeat"`
	NewRelic *AgentConfig `yaml:"newrelic"` // read at start; a reload does not change it
}

const maxConfig = 1 << 20

// loadConfig reads verifier.yaml; an empty path is the defaults.
func loadConfig(path string) (*Config, error) {
	c := readConfig(path)
	if err := verifier.SortErrors(c.problems.list...); err != nil {
		return nil, err
	}
	return c, nil
}

// readConfig reads verifier.yaml as far as it can be read. What is wrong is in its problems, and left out.
func readConfig(path string) *Config {
	c := &Config{
		Listen: "127.0.0.1:8080", Rules: "./rules.yaml", Store: "./verifier.db", Timezone: "UTC", Unrelated: lifecycle.DefaultUnrelated,
		Retention: RetentionConfig{Evidence: 90 * 24 * time.Hour, Deliveries: 30 * 24 * time.Hour}, path: path, problems: &problems{},
	}
	if path != "" {
		c.doc, c.problems = decodeFile(path, c)
		if c.doc == nil || c.doc.body == nil && len(c.problems.list) > 0 {
			return c // nothing else is known
		}
	}
	c.finish()
	return c
}

// decodeFile reads a file strictly. The document is nil where there is no file.
func decodeFile(path string, into any) (*document, *problems) {
	raw, err := readFile(path)
	if err != nil {
		return nil, &problems{list: []error{err}}
	}
	doc, list := parseDocument(path, raw, true)
	refused, more := doc.decode(into, configKeys())
	return doc, &problems{doc: doc, list: append(list, more...), refused: refused}
}

// configKeys are all keys of verifier.yaml, at any depth.
func configKeys() []string {
	return keysOf(append(append(sourceStructs(), sinkStructs()...), reflect.TypeFor[Config](), reflect.TypeFor[ServiceConfig]()))
}

// keysOf are all keys that the types know, at any depth.
func keysOf(types []reflect.Type) (keys []string) {
	for _, t := range types {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			continue
		}
		for name, field := range fieldsOf(t) {
			keys = append(append(keys, name), keysOf([]reflect.Type{field})...)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	if len(text) > maxConfig {
		return nil, fmt.Errorf("%s is larger than 1 MiB; split services into a folder", path)
	}
	return text, nil
}

// unmarshalDuration reads Go's durations, and days and weeks. Negative ones are refused.
func unmarshalDuration(d *time.Duration, text []byte) error {
	s := strings.Trim(strings.TrimSpace(string(text)), `"'`)
	var err error
	*d, err = verifier.ParseDuration(s)
	return err
}

// relative is a path as it was meant: beside the configuration file.
func (c *Config) relative(path string) string {
	if path == "" || c.path == "" {
		return path
	}
	return absolute(filepath.Dir(c.path), path)
}

func absolute(folder, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}

// catalogue is what the configuration says of environments and services.
func (c *Config) catalogue() *verifier.Catalogue {
	out := &verifier.Catalogue{}
	for _, e := range c.Environments {
		out.Environments = append(out.Environments, verifier.Environment{Name: e.Name, Aliases: e.Aliases, Production: e.Production})
	}
	for _, s := range c.Services.list {
		entry := s.entry()
		entry.Aliases = append(slices.Clone(entry.Aliases), c.toolNames(s)...)
		out.Entries = append(out.Entries, entry)
	}
	return out
}

// toolNames are the names that deploy tools have for a service: those that are no source's and no template.
func (c *Config) toolNames(s ServiceConfig) (names []string) {
	if s.Match.Service == "" || strings.ContainsAny(s.Match.Service, "*?") {
		return nil
	}
	for tool, name := range s.Names {
		if _, source := c.Sources[tool]; !source && !strings.Contains(name, "{{") {
			names = append(names, name)
		}
	}
	return names
}

// transport is what all clients of the daemon go through.
type transport = http.RoundTripper
