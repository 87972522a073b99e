package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"verifier"
)

// TestExamples loads both example files as serve would. They show every type of source and every kind of measure, limit and comparison.
func TestExamples(t *testing.T) {
	s, err := load("../../verifier.example.yaml", http.DefaultTransport, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.rules.Len() < 9 || len(s.sources) < 3 || len(s.alerting.Receivers()) != 2 || len(s.ways) != 1 {
		t.Errorf("%d rules, %d sources, receivers %v, %d ways", s.rules.Len(), len(s.sources), s.alerting.Receivers(), len(s.ways))
	}
	asked, shown := map[reflect.Type]bool{}, map[string]bool{}
	for _, r := range s.rules.Rules() {
		asked[reflect.TypeOf(s.cfg.Sources[r.Measure.Source].source)] = true
		for _, part := range []any{r.Measure, r.Limit, r.Compare} {
			v := reflect.Indirect(reflect.ValueOf(part))
			for i := 0; v.IsValid() && i < v.NumField(); i++ {
				if !v.Field(i).IsZero() {
					shown[v.Type().Name()+"."+v.Type().Field(i).Name] = true
				}
			}
		}
	}
	for kind, empty := range sourceTypes {
		if !asked[reflect.TypeOf(empty())] {
			t.Errorf("no rule of the example asks a source of type %s", kind)
		}
	}
	for _, part := range []any{verifier.Measure{}, verifier.Limit{}, verifier.Compare{}} {
		for v, i := reflect.TypeOf(part), 0; i < v.NumField(); i++ {
			if name := v.Name() + "." + v.Field(i).Name; !shown[name] {
				t.Errorf("no rule of the example has %s", name)
			}
		}
	}
	if code, out := command(t, "check", "--config", "../../verifier.example.yaml"); code != exitOK {
		t.Errorf("verifier check: %d %s", code, out)
	}
}

// TestBadConfigurations holds the whole of what is said about each wrong file.
func TestBadConfigurations(t *testing.T) {
	t.Chdir(t.TempDir())
	rules := "rules:\n  - name: a\n    measure: {source: logs, count: x}\n    limit: {above: 1, within: 1m}\n"
	write(t, "rules.yaml", rules)
	for _, c := range badConfigurations {
		write(t, "verifier.yaml", c.text)
		_, err := load("verifier.yaml", http.DefaultTransport, slog.New(slog.DiscardHandler), nil)
		if err == nil {
			t.Errorf("%q loads", c.text)
			continue
		}
		if diff := cmp.Diff(c.want, withExcerpts(ofConfig(err))); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.text, diff)
		}
	}
}

// ofConfig are the errors that are not about the rules, which name a source that most of the bad files do not have.
func ofConfig(err error) error {
	return errors.Join(slices.DeleteFunc(verifier.EachError(err), func(one error) bool { return strings.HasPrefix(one.Error(), "rules.yaml:") })...)
}

// TestSecretsStayOutOfErrors: an excerpt shows the file, not what the environment gave.
func TestSecretsStayOutOfErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("HOOK_SECRET", "hunter2")
	write(t, "verifier.yaml", "hooks: {github: {secret: '${HOOK_SECRET}'}}\nlisen: x\n")
	_, err := loadConfig("verifier.yaml")
	if err == nil || strings.Contains(withExcerpts(err), "hunter2") || !strings.Contains(withExcerpts(err), "${HOOK_SECRET}") {
		t.Error(err)
	}
}

// TestServicesFolder reads the catalogue from a folder, and says in which of its files something is wrong.
func TestServicesFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("services", 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, "verifier.yaml", "services: ./services\n")
	write(t, "services/a.yaml", "- match: {service: checkout}\n  team: payments\n")
	write(t, "services/b.yaml", "- match: {service: search}\n  aliases: [Find]\n")
	c, err := loadConfig("verifier.yaml")
	if err != nil || len(c.Services.list) != 2 {
		t.Fatal(c, err)
	}
	write(t, "services/b.yaml", "- match: {service: search}\n- match: {service: find}\n  versions: none\n")
	want := "services/b.yaml:3:13: [1].versions: invalid order \"none\": must be auto, number or seen"
	if _, err = loadConfig("verifier.yaml"); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Error(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func command(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	var buffer bytes.Buffer
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(&buffer)
	root.SetErr(&buffer)
	if err := root.ExecuteContext(context.Background()); err != nil {
		return exitTrouble, buffer.String() + err.Error()
	}
	return exitOK, buffer.String()
}

func TestLinksLeadSomewhere(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Skip(err)
	}
	for listen, want := range map[string]string{"0.0.0.0:8080": "http://" + host + ":8080", "[::]:8080": "http://" + host + ":8080", "127.0.0.1:8080": "http://127.0.0.1:8080"} {
		a, err := net.ResolveTCPAddr("tcp", listen)
		if err != nil {
			t.Fatal(err)
		}
		if got := linkTo(a); got != want {
			t.Errorf("links of %s lead to %s, want %s", listen, got, want)
		}
	}
}

func TestFormatIsTextOrJSON(t *testing.T) {
	store := filepath.Join(t.TempDir(), "v.db")
	if code, out := command(t, "token", "create", "reader", "--scope", "read", "--store", store); code != exitOK {
		t.Fatal(out)
	}
	for _, args := range [][]string{{"version"}, {"deploys", "list", "--store", store}, {"token", "list", "--store", store}} {
		if code, out := command(t, append(args, "--format", "json")...); code != exitOK || !json.Valid([]byte(out)) {
			t.Errorf("%v: %d %s", args, code, out)
		}
		if code, out := command(t, append(args, "--format", "xml")...); code != exitTrouble || !strings.Contains(out, `invalid --format "xml": must be text or json`) {
			t.Errorf("%v: %d %s", args, code, out)
		}
	}
}

func TestImportAndReport(t *testing.T) {
	store := filepath.Join(t.TempDir(), "v.db")
	file := filepath.Join(t.TempDir(), "deploys.csv")
	text := "at,service,environment,version,team\n2016-09-01T10:00:00Z,shop,production,1.0,web\n2016-09-02T10:00:00Z,shop,production,1.1,web\n2016-09-03T10:00:00Z,shop,production,1.0,web\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second adds nothing
		if code, out := command(t, "import", file, "--store", store); code != exitOK {
			t.Fatal(out)
		}
	}
	code, out := command(t, "report", "--month", "2016-09", "--store", store, "--format", "json")
	if code != exitOK || !strings.Contains(out, `"deploys": 3`) || !strings.Contains(out, `"rollbacks": 1`) {
		t.Errorf("%d %s", code, out)
	}
	if code, out := command(t, "report", "--month", "2016-13", "--store", store); code != exitTrouble || !strings.Contains(out, "2016-13") {
		t.Errorf("a month that is not one: %d %s", code, out)
	}
}

func TestTwoDaemonsOnOneStore(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{
		"verifier.yaml": "listen: 127.0.0.1:0\nsources: {logs: {type: files, path: ./x.log}}\n",
		"rules.yaml":    "rules:\n  - name: a\n    measure: {source: logs, count: x}\n    limit: {above: 1, within: 1m}\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(folder, "verifier.yaml")
	first, err := NewDaemon(t.Context(), path, "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- first.Run(ctx) }()
	if _, err := NewDaemon(t.Context(), path, "", slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "another") {
		t.Errorf("a second daemon: %v", err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
