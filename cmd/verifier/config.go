package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
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

	Sinks map[string]any `yaml:"sinks"`
	Gates map[string]any `yaml:"gates"`

	path  string
	alert []byte // the text with everything that is not Alertmanager's blanked, so that lines stay true
	zone  *time.Location
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
}

const maxConfig = 1 << 20

// loadConfig reads verifier.yaml; an empty path is the defaults.
func loadConfig(path string) (*Config, error) {
	c := &Config{
		Listen: "127.0.0.1:8080", Rules: "./rules.yaml", Store: "./verifier.db", Timezone: "UTC", Unrelated: lifecycle.DefaultUnrelated,
		Retention: RetentionConfig{Evidence: 90 * 24 * time.Hour, Deliveries: 30 * 24 * time.Hour}, path: path,
	}
	if path != "" {
		text, err := readConfig(path)
		if err != nil {
			return nil, err
		}
		if err := decodeYAML(text, c); err != nil {
			return nil, fmt.Errorf("%s:%w", path, err)
		}
		c.alert = onlyKeys(text, "global", "receivers", "route", "time_intervals", "templates", "inhibit_rules")
	}
	if err := c.finish(); err != nil {
		return nil, fmt.Errorf("%s: %w", orDefault(path, "configuration"), err)
	}
	return c, nil
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
	return expand(text, path)
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
			problems = append(problems, fmt.Errorf("%s:%d: %w", path, i+1, err))
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

// decodeYAML decodes strictly: an unknown key is an error with its line, column and an excerpt.
func decodeYAML(text []byte, into any) error {
	err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict(), yaml.CustomUnmarshaler[time.Duration](unmarshalDuration)).Decode(into)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return errors.New(strings.TrimPrefix(yaml.FormatError(err, false, true), "\n"))
	}
	return nil
}

// unmarshalDuration reads Go's durations, and days and weeks. Negative ones are refused.
func unmarshalDuration(d *time.Duration, text []byte) error {
	s := strings.Trim(strings.TrimSpace(string(text)), `"'`)
	parsed, err := verifier.ParseDuration(s)
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// finish checks what the YAML alone cannot, and fills in what depends on other keys.
func (c *Config) finish() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	zone, err := time.LoadLocation(c.Timezone)
	if err != nil {
		bad("timezone: %q is not known; write a name like Europe/Berlin or UTC", c.Timezone)
		zone = time.UTC
	}
	c.zone = zone
	if u := c.Unrelated; u.Services < 0 || u.Within > time.Hour {
		bad("unrelated: services must not be negative (0 never holds an environment), and within at most 1h")
	}
	if c.URL != "" {
		if u, err := url.Parse(c.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			bad("url: %q is no address; write https://verifier.example.com", c.URL)
		}
	} else {
		c.URL = "http://" + c.Listen
	}
	c.URL = strings.TrimSuffix(c.URL, "/")
	if c.HoldFile == "" && !strings.Contains(c.Store, "://") {
		c.HoldFile = c.Store + ".hold"
	}
	for i, e := range c.Environments {
		if problem := verifier.NameProblem(e.Name); problem != "" {
			bad("environments[%d].name %s", i, problem)
		}
	}
	for name := range c.Sinks {
		bad("sinks.%s: no such sink; the daemon's own metrics are at /metrics without any configuration", name)
	}
	for name := range c.Gates {
		bad("gates.%s: gates are not there yet; take the key out", name)
	}
	for i, r := range c.Reports {
		if _, err := parseCron(r.Cron); err != nil {
			bad("reports[%d].cron: %w", i, err)
		}
		if !slices.Contains([]string{"", "team", "service", "environment"}, r.By) {
			bad("reports[%d].by: %q is none; write team, service or environment", i, r.By)
		}
	}
	for i, f := range c.Holds {
		if _, err := parseCron(f.Cron); err != nil {
			bad("holds[%d].cron: %w", i, err)
		}
		if f.For <= 0 {
			bad("holds[%d].for is missing; write how long the freeze lasts, like 48h", i)
		}
	}
	if c.Services.folder != "" {
		if err := c.Services.read(c.relative(c.Services.folder)); err != nil {
			problems = append(problems, err)
		}
	}
	problems = append(problems, c.Services.check()...)
	return errors.Join(problems...)
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

// frozen reads the hold file: why everything is held, or nothing.
func (c *Config) frozen() string {
	if c.HoldFile == "" {
		return ""
	}
	text, err := os.ReadFile(c.relative(c.HoldFile))
	if os.IsNotExist(err) {
		return ""
	}
	why := strings.TrimSpace(string(text))
	return "the hold file " + c.HoldFile + " exists" + strings.TrimSuffix(": "+clip(why, 200), ": ")
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

// folder is where relative paths of the configuration begin.
func (c *Config) folder() string {
	if c.path == "" {
		return "."
	}
	return filepath.Dir(c.path)
}

// checkReceivers says which of the receivers that the configuration names are not there.
func (c *Config) checkReceivers(known []string) error {
	var problems []error
	check := func(where, name string) {
		if name != "" && !slices.Contains(known, name) {
			problems = append(problems, fmt.Errorf("%s: %s: receiver %q is not there; receivers are: %s",
				orDefault(c.path, "configuration"), where, name, orDefault(strings.Join(known, ", "), "none")))
		}
	}
	check("self.receiver", c.Self.Receiver)
	for i, r := range c.Reports {
		check(fmt.Sprintf("reports[%d].receiver", i), r.Receiver)
	}
	return errors.Join(problems...)
}
