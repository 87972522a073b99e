package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

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

	path  string
	doc   *document // nil without a file
	alert []byte    // the text with everything that is not Alertmanager's blanked, so that lines stay true
	zone  *time.Location
	bound bool // the URL is where it listens: none is configured
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
	c := &Config{
		Listen: "127.0.0.1:8080", Rules: "./rules.yaml", Store: "./verifier.db", Timezone: "UTC", Unrelated: lifecycle.DefaultUnrelated,
		Retention: RetentionConfig{Evidence: 90 * 24 * time.Hour, Deliveries: 30 * 24 * time.Hour}, path: path,
	}
	if path != "" {
		doc, text, err := decodeFile(path, c)
		if err != nil {
			return nil, err
		}
		c.doc = doc
		c.alert = onlyKeys(text, "global", "receivers", "route", "time_intervals", "templates", "inhibit_rules")
	}
	if err := c.finish(); err != nil {
		return nil, err
	}
	return c, nil
}

// decodeFile reads a file strictly: an unknown key is an error with its line, column and an excerpt.
func decodeFile(path string, into any) (doc *document, text []byte, err error) {
	raw, err := readConfig(path)
	if err != nil {
		return nil, nil, err
	}
	if text, err = expand(raw, path); err != nil {
		return nil, nil, err
	}
	err = yaml.NewDecoder(bytes.NewReader(text), yaml.Strict(), yaml.CustomUnmarshaler[time.Duration](unmarshalDuration)).Decode(into)
	doc = newDocument(path, raw, text)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, doc.decodeError(err)
	}
	return doc, text, nil
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func readConfig(path string) ([]byte, error) {
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

// expand replaces ${NAME} by the environment's value, outside comments. Lines stay where they are.
func expand(text []byte, path string) ([]byte, error) {
	lines := strings.Split(string(text), "\n")
	var problems []error
	for i, line := range lines {
		if strings.HasPrefix(strings.TrimSpace(line), "#") || !strings.Contains(line, "${") {
			continue
		}
		expanded, err := expandLine(line)
		if err != nil {
			doc := document{path: path, raw: text}
			problems = append(problems, doc.at(i+1, strings.Index(line, "${")+1, err.Error()))
		}
		lines[i] = expanded
	}
	return []byte(strings.Join(lines, "\n")), errors.Join(problems...)
}

func expandLine(line string) (string, error) {
	var out strings.Builder
	for {
		start := strings.Index(line, "${")
		if start < 0 {
			return out.String() + line, nil
		}
		end := strings.IndexByte(line[start:], '}')
		if end < 0 {
			return line, errors.New("${ without }")
		}
		name := line[start+2 : start+end]
		value, set := os.LookupEnv(name)
		if !set {
			return line, fmt.Errorf("${%s} is not set in the environment", name)
		}
		if strings.ContainsAny(value, "\n\r\"'\\#") || strings.Contains(value, ": ") {
			return line, fmt.Errorf("the value of ${%s} has quotes, a backslash, # or a newline; put it into a file and use the …_file key", name)
		}
		out.WriteString(line[:start] + value)
		line = line[start+end+1:]
	}
}

// onlyKeys blanks the lines of all other top-level keys.
func onlyKeys(text []byte, keys ...string) []byte {
	lines := bytes.Split(text, []byte("\n"))
	kept := false
	found := false
	for i, line := range lines {
		if len(line) > 0 && !strings.ContainsRune(" \t#-}]", rune(line[0])) {
			key, _, _ := strings.Cut(string(line), ":")
			kept = slices.Contains(keys, strings.Trim(strings.TrimSpace(key), `"'`))
			found = found || kept
		}
		if !kept {
			lines[i] = nil
		}
	}
	if !found {
		return nil
	}
	return bytes.Join(lines, []byte("\n"))
}

// unmarshalDuration reads Go's durations, and days and weeks. Negative ones are refused.
func unmarshalDuration(d *time.Duration, text []byte) error {
	s := strings.Trim(strings.TrimSpace(string(text)), `"'`)
	parsed, err := verifier.ParseDuration(s)
	if err != nil {
		return &valueError{s, err}
	}
	*d = parsed
	return nil
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
