package sources

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"verifier"
)

var shop = verifier.Subject{
	Service: "check.out", Environment: "production", Target: "eu-1", Version: "1.4.2", Team: "pay ments", Hosts: []string{"web1", "web.2"},
	Labels: map[string]string{"tier": "1", "odd": "`\"'\\\n"},
}

func TestFill(t *testing.T) {
	peers := shop
	peers.Peers = true
	alone := shop
	alone.Hosts = nil
	for _, tt := range []struct {
		lang    Language
		text    string
		subject verifier.Subject
		want    string
	}{
		{PromQL, `up`, shop, `up`},
		{PromQL, `up{a="{{.Service}}",b=~"{{ .Service }}",c!~'x{{.Version}}.*'}`, shop, `up{a="check.out",b=~"check\\.out",c!~'x1\\.4\\.2.*'}`},
		{PromQL, "up{a=`{{.Service}}`,b=~`(a|{{.Service}})`}", shop, "up{a=`check.out`,b=~`(a|check\\.out)`}"},
		{PromQL, `increase(x{a="{{.Labels.odd}}"}[{{.Step}}])`, shop, "increase(x{a=\"`\\\"'\\\\\\x0a\"}[1m30s])"},
		{PromQL, `up{instance{{.HostOp}}"{{.Hosts}}:9100"}`, shop, `up{instance=~"(?:web1|web\\.2):9100"}`},
		{PromQL, `up{instance{{.HostOp}} "{{.Hosts}}"}`, peers, `up{instance!~ "(?:web1|web\\.2)"}`},
		{PromQL, `up{instance{{.HostOp}}"{{.Hosts}}"}`, alone, `up{instance=~".*"}`},
		{PromQL, "up # it's {\n + up{a='{{.Team}}'}", shop, "up # it's {\n + up{a='pay ments'}"},
		{Lucene, `service.name:"{{.Service}}" AND team:"the {{.Team}}" OR v:"{{.Labels.odd}}"`, shop, `service.name:"check.out" AND team:"the pay ments" OR v:"` + "`" + `\"'\\` + "\n" + `"`},
		{Lucene, `\[ v:("{{.Version}}" took:>{{.Step}})`, shop, `\[ v:("1.4.2" took:>1m30s)`},
		{NRQL, `SELECT count(*) FROM T WHERE a = '{{.Labels.tier}}' -- it's`, shop, `SELECT count(*) FROM T WHERE a = '1' -- it's`},
		{NRQL, `WHERE host {{.HostOp}} ({{.Hosts}}) AND x > {{.Step}}`, peers, `WHERE host NOT IN ('web1', 'web.2') AND x > 90`},
	} {
		got, err := Fill(tt.lang, tt.text, tt.subject, 90*time.Second)
		if err != nil || got != tt.want {
			t.Errorf("%s\n got %s, %v\nwant %s", tt.text, got, err, tt.want)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	for _, tt := range []struct {
		lang Language
		text string
		want string
	}{
		{PromQL, `{{.Service}}`, `template: {{.Service}} at character 1 stands outside a quoted literal; put it between quotes`},
		{PromQL, `up{a="x"} + {{.Version}}`, `outside a quoted literal`},
		{PromQL, `up{a="{{.Host}}"}`, `{{.Host}} at character 7 is unknown; write one of .Service`},
		{PromQL, `up{a="{{.Labels}}"}`, `is unknown`},
		{PromQL, `up{a="{{ printf .Service }}"}`, `is unknown`},
		{PromQL, `up{a="{{.Service"}`, `{{ at character 7 has no }}`},
		{PromQL, `up{a="\{{.Service}}"}`, `inside an escape`},
		{PromQL, `up{a="\x4{{.Service}}"}`, `inside an escape`},
		{PromQL, `up{a=~"[{{.Service}}]"}`, `middle of a class`},
		{PromQL, `up{a=~"[]{{.Service}}]"}`, `middle of a class`},
		{PromQL, `up{a=~"\\{{.Service}}"}`, `middle of a class, escape`},
		{PromQL, `up{a=~"\\Q{{.Service}}"}`, `take that out`},
		{PromQL, `up{a=~"(?{{.Service}})"}`, `flag`},
		{PromQL, `up{instance="{{.Hosts}}"}`, `is a regular expression`},
		{PromQL, `up{instance{{.HostOp}}x}`, `must stand before a quoted`},
		{PromQL, `up{instance="{{.HostOp}}"}`, `is an operator`},
		{PromQL, `up # {{.Service}}`, `in a comment`},
		{PromQL, `label_replace(up, "a", "{{.Service}}", "b", "c")`, `no label's value`},
		{Lucene, `v:[1 TO {{.Version}}]`, `in a range`},
		{Lucene, `v:["a]" TO "{{.Version}}"]`, `in a range`},
		{Lucene, `v:{{.Version}}`, `outside a quoted literal; put it between quotes`},
		{Lucene, `v:{{.Version}}*`, `outside a quoted literal`},
		{Lucene, `"a" v:/{{.Version}}/`, `regular expression`},
		{Lucene, `v:\{{.Version}}`, `inside an escape`},
		{Lucene, `host:{{.Hosts}}`, `filters by its host field itself`},
		{NRQL, `WHERE a = {{.Service}}`, `outside a quoted literal`},
		{NRQL, `WHERE a = "{{.Service}}"`, `single quotes`},
		{NRQL, `WHERE a RLIKE r'{{.Service}}'`, `without r`},
		{NRQL, `WHERE a IN ('{{.Hosts}}')`, `quotes of its own`},
		{NRQL, `WHERE a = 1 /* '{{.Service}}' */`, `in a comment`},
	} {
		err := Check(tt.lang, tt.text)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !errors.Is(err, verifier.ErrInvalid) {
			t.Errorf("%s %s\n got %v\nwant %s", tt.lang, tt.text, err, tt.want)
		}
	}
}

func TestFillRefusesValues(t *testing.T) {
	peers := verifier.Subject{Peers: true, Labels: map[string]string{"tick": "`", "more": ">1", "line": "a\nb"}}
	for _, tt := range []struct {
		lang Language
		text string
		want string
	}{
		{PromQL, `up{a="{{.Labels.none}}"}`, `{{.Labels.none}}: the deploy has no label "none"`},
		{PromQL, "up{a=`{{.Labels.tick}}`}", "cannot be written between backticks"},
		{PromQL, `up{a{{.HostOp}}"{{.Hosts}}"}`, "the deploy names no hosts"},
		{NRQL, `WHERE a = '{{.Labels.line}}'`, "control characters"},
	} {
		_, err := Fill(tt.lang, tt.text, peers, time.Second)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !errors.Is(err, verifier.ErrInvalid) {
			t.Errorf("%s: got %v, want %s", tt.text, err, tt.want)
		}
	}
}

// hostile is a subject all of whose values come from outside.
func hostile(v string) verifier.Subject {
	return verifier.Subject{
		Service: v, Environment: v, Target: v, Version: v, Team: v, Hosts: []string{v, "b"}, Labels: map[string]string{"x": v},
	}
}

func seeds(f *testing.F) {
	for _, s := range []string{
		"checkout", "", `"`, `'`, "`", `\`, `\"`, "\n", "\r\n", "{}", "a\"} or up{b=\"", "\xff", "\xff\"", "\ufffd", "[", `\E.*`, "x|y", ".*", "#", "--",
		"Production – web-shop", "O'Neill Foods", "[TEST] MyProject", "A Tenant, Inc.", "R&D (EU) #1 🚀", "👩\u200d👩\u200d👧", "50%25", "$(id)", "a;b|c", "-- x", "*/", "=~",
		"a' OR 'b", "a OR b", "OR", "NOT", "AND", "TO", "&&", "a:b", "*", "?", "/", "[a TO b]", "\u3000", "\\u0022", "{{.Service}}", "$1", "\x00", "a\u2028b", "~2", "^3",
	} {
		f.Add(s)
	}
}

// TestNamesCanBeWritten holds that whatever is taken as a name can be written in every language, in every kind of literal.
func TestNamesCanBeWritten(t *testing.T) {
	for _, name := range []string{"Production – web-shop", "O'Neill Foods", "[TEST] MyProject", "A Tenant, Inc.", "Shop 🚀", "R&D (EU) #1", "50% = 1/2; $HOME", "👩\u200d👩\u200d👧", "a*b?", "{{.Version}}"} {
		if problem := verifier.NameProblem(name); problem != "" {
			t.Errorf("%s %s", name, problem)
		}
		for lang, texts := range map[Language][]string{
			PromQL: {`a{s="{{.Service}}"}`, `a{s='{{.Service}}'}`, "a{s=`{{.Service}}`}", `a{s=~"{{.Service}}"}`, "a{s=~`{{.Service}}`}"},
			LogQL:  {`{s="{{.Service}}"}`, "{s=`{{.Service}}`}", `{s=~"{{.Service}}"} |= "{{.Service}}"`},
			Lucene: {`s:"{{.Service}}"`},
			NRQL:   {`SELECT count(*) FROM T WHERE s = '{{.Service}}'`},
		} {
			for _, text := range texts {
				if _, err := Fill(lang, text, hostile(name), time.Minute); err != nil {
					t.Errorf("%s: %s of %s: %v", lang, text, name, err)
				}
			}
		}
	}
}

func FuzzPromQLStaysInItsLiteral(f *testing.F) {
	seeds(f)
	const text = `sum(rate(a{s="{{.Service}}",e='{{.Environment}}',v=~"(x|{{.Version}}).*",h{{.HostOp}}'{{.Hosts}}:9',l="pre{{.Labels.x}}post{{.Team}}"}[1m])) / b{z="1"}`
	const raw = "a{t=`{{.Target}}`,u=~`{{.Version}}`} > 1"
	f.Fuzz(func(t *testing.T, v string) {
		for _, text := range []string{text, raw} {
			got, err := Fill(PromQL, text, hostile(v), time.Minute)
			if err != nil {
				if !strings.Contains(err.Error(), "backticks") {
					t.Fatalf("%q: %v", v, err)
				}
				continue
			}
			benign, err := Fill(PromQL, text, hostile("good"), time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			samePromQL(t, v, got, benign)
		}
	})
}

// samePromQL checks that both parse to the same tree but for the values of matchers, which hold what was meant.
func samePromQL(t *testing.T, v, got, benign string) {
	t.Helper()
	g, err := parser.NewParser(parser.Options{}).ParseExpr(got)
	if err != nil {
		t.Fatalf("%q: %s does not parse: %v", v, got, err)
	}
	b, err := parser.NewParser(parser.Options{}).ParseExpr(benign)
	if err != nil {
		t.Fatal(err)
	}
	valid := strings.ToValidUTF8(v, string(utf8.RuneError))
	gm, bm := matchersOf(g), matchersOf(b)
	if len(gm) != len(bm) {
		t.Fatalf("%q: %d matchers, want %d: %s", v, len(gm), len(bm), got)
	}
	for i, m := range gm {
		value := valid
		if m.Type == labels.MatchRegexp {
			value = regexp.QuoteMeta(valid)
		}
		if want := strings.ReplaceAll(bm[i].Value, "good", value); m.Value != want {
			t.Fatalf("%q: matcher %s holds %q, want %q", v, m.Name, m.Value, want)
		}
		m.Value = bm[i].Value
	}
	if g.String() != b.String() {
		t.Fatalf("%q changed the query:\n%s\n%s", v, g, b)
	}
}

func matchersOf(e parser.Expr) []*labels.Matcher {
	var out []*labels.Matcher
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		if v, ok := n.(*parser.VectorSelector); ok {
			for _, m := range v.LabelMatchers {
				if m.Name != "__name__" {
					out = append(out, m)
				}
			}
		}
		return nil
	})
	return out
}

// tokens splits an NRQL text into single-quoted literals, whose escapes are undone, and what is between them.
func tokens(t *testing.T, text string) (literals []string, rest string) {
	t.Helper()
	var in bool
	var lit, out strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case in && c == '\\':
			i++
			lit.WriteByte(text[i])
		case c == '\'':
			if in {
				literals = append(literals, lit.String())
				lit.Reset()
			}
			in = !in
			out.WriteByte(c)
		case in:
			lit.WriteByte(c)
		default:
			out.WriteByte(c)
		}
	}
	if in {
		t.Fatalf("a literal does not end: %s", text)
	}
	return literals, out.String()
}

func FuzzNRQLStaysInItsLiteral(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, v string) {
		got, err := Fill(NRQL, `SELECT count(*) FROM T WHERE a = '{{.Service}}' AND h {{.HostOp}} ({{.Hosts}}) AND c = 'x{{.Version}}y' FACET d`, hostile(v), time.Minute)
		if err != nil {
			if !strings.Contains(err.Error(), "control characters") {
				t.Fatalf("%q: %v", v, err)
			}
			return
		}
		literals, rest := tokens(t, got)
		valid := strings.ToValidUTF8(v, string(utf8.RuneError))
		want := []string{valid, valid, "b", "x" + valid + "y"}
		if rest != `SELECT count(*) FROM T WHERE a = '' AND h IN ('', '') AND c = '' FACET d` || strings.Join(literals, "\x00") != strings.Join(want, "\x00") {
			t.Fatalf("%q left its literal: %s", v, got)
		}
	})
}
