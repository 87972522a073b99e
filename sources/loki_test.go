package sources

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"verifier"
)

func fakeLoki(t *testing.T, c LokiConfig, h http.HandlerFunc) *Loki {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c.URL = s.URL
	l, err := NewLoki(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLokiAnswers(t *testing.T) {
	count := func(text string) string { return "sum(count_over_time(" + text + " [1m]))" }
	said := map[string]string{
		count(`{app="check.out"}`):                      matrix(seriesText("", "100", "", "50")),
		count(`{app="check.out"} |= "error"`):           matrix(seriesText("", "7")),
		count(`{app="check.out"} |= "}" | json`):        matrix(seriesText("", "20", "", "40")),
		count(`{app="check.out"} |= "none"`):            matrix(),
		count(`{app="chekout"} |= "error"`):             matrix(),
		count(`{app="chekout"}`):                        matrix(),
		count(`{app="check.out"} |= "more"`):            matrix(seriesText("", "900")),
		`sum by (app) (rate({env="production"}[5m]))`:   matrix(seriesText(`"app":"check.out"`, "1.5", "NaN"), seriesText(`"app":"cart"`, "8")),
		`sum(rate({app="a"}[1m]))`:                      strings.Replace(matrix(seriesText("", "1")), `{"status"`, `{"warnings":["the query was cut short"],"status"`, 1),
		`quantile_over_time(0.95, {a="b"} | json [1m])`: `{"status":"success","data":{"resultType":"streams","result":[{"stream":{},"values":[["1","x"]]}]}}`,
	}
	l := fakeLoki(t, LokiConfig{}, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/loki/api/v1/query_range":
			body, ok := said[r.FormValue("query")]
			if !ok {
				http.Error(w, "parse error at line 1, col 5: syntax error", http.StatusBadRequest)
				return
			}
			fmt.Fprint(w, body)
		case "/loki/api/v1/label/app/values":
			fmt.Fprint(w, `{"status":"success","data":["cart","check.outs","zebra"]}`)
		default:
			http.NotFound(w, r)
		}
	})
	ratio := func(of, to string) verifier.Measure { return verifier.Measure{Ratio: &verifier.Ratio{Of: of, To: to}} }
	for _, tt := range []struct {
		name    string
		measure verifier.Measure
		want    []verifier.Sample
		partial string
		problem string
		reason  verifier.Reason
	}{
		{name: "count", measure: verifier.Measure{Count: `{app="{{.Service}}"} |= "error"`}, want: []verifier.Sample{sampleAt(1, 7, 7, 100), sampleAt(3, 0, 0, 50)}},
		{name: "no errors among lines are none", measure: verifier.Measure{Count: `{app="{{.Service}}"} |= "none"`}, want: []verifier.Sample{sampleAt(1, 0, 0, 100), sampleAt(3, 0, 0, 50)}},
		{name: "no lines at all are no data", measure: verifier.Measure{Count: `{app="chekout"} |= "error"`}},
		{name: "ratio", measure: ratio(`{app="{{.Service}}"} |= "error"`, `{app="{{.Service}}"} |= "}" | json`), want: []verifier.Sample{sampleAt(1, 0.35, 7, 20), sampleAt(3, 0, 0, 40)}},
		{name: "ratio of streams that are not there", measure: ratio(`{app="chekout"} |= "error"`, `{app="{{.Service}}"}`)},
		{name: "no part", measure: ratio(`{app="{{.Service}}"} |= "more"`, `{app="{{.Service}}"}`), problem: "`of` must count a part of `to`", reason: verifier.BadData},
		{name: "query", measure: verifier.Measure{Query: `sum by (app) (rate({env="{{.Environment}}"}[5m]))`, Pick: map[string]string{"app": "{{.Service}}"}}, want: []verifier.Sample{sampleAt(1, 1.5, 0, 0)}},
		{name: "many", measure: verifier.Measure{Query: `sum by (app) (rate({env="{{.Environment}}"}[5m]))`}, problem: "gives 2 series where one is needed", reason: verifier.BadData},
		{name: "warnings", measure: verifier.Measure{Query: `sum(rate({app="a"}[1m]))`}, want: []verifier.Sample{sampleAt(1, 1, 0, 0)}, partial: "the query was cut short"},
		{name: "lines", measure: verifier.Measure{Query: `quantile_over_time(0.95, {a="b"} | json [1m])`}, problem: `value type "streams"`, reason: verifier.BadData},
		{name: "what Loki refuses", measure: verifier.Measure{Query: `sum(nonsense({app="a"}[1m]))`}, problem: "parse error at line 1, col 5", reason: verifier.BadData},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := l.Ask(t.Context(), []verifier.Question{ask(tt.measure, shop)})[0]
			if tt.problem != "" {
				var failure *verifier.SourceError
				if !errors.As(a.Err, &failure) || failure.Reason != tt.reason || !strings.Contains(a.Err.Error(), tt.problem) {
					t.Fatalf("got %v, want %s: %s", a.Err, tt.reason, tt.problem)
				}
				return
			}
			if diff := cmp.Diff(tt.want, a.Samples); diff != "" || a.Err != nil || a.Partial != tt.partial {
				t.Errorf("%v, partial %q, samples (-want +got):\n%s", a.Err, a.Partial, diff)
			}
		})
	}
	near := shop
	near.Service = "chekout"
	a := l.Ask(t.Context(), []verifier.Question{ask(verifier.Measure{Count: `{app="{{.Service}}"} |= "error"`}, near)})[0]
	if !a.Unseen || a.Nearest != "check.outs" {
		t.Errorf("unseen %t, nearest %q; want check.outs", a.Unseen, a.Nearest)
	}
}

// TestLokiFaults: none of what a server may say instead is a value.
func TestLokiFaults(t *testing.T) {
	for _, tt := range []struct {
		status       int
		header, body string
		reason       verifier.Reason
		after        time.Duration
	}{
		{400, "", "maximum of series (500) reached for a single query", verifier.BadData, 0},
		{401, "", "no org id", verifier.SourceDown, 0},
		{429, "Retry-After: 9", "too many outstanding requests", verifier.SourceDown, 9 * time.Second},
		{500, "", "context canceled", verifier.SourceDown, 0},
		{504, "", "timeout", verifier.SourceDown, 0},
		{200, "Content-Type: text/html", "<html>login</html>", verifier.BadData, 0},
		{200, "", `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"va`, verifier.BadData, 0},
	} {
		l := fakeLoki(t, LokiConfig{}, func(w http.ResponseWriter, _ *http.Request) {
			if name, value, ok := strings.Cut(tt.header, ": "); ok {
				w.Header().Set(name, value)
			}
			w.WriteHeader(tt.status)
			fmt.Fprint(w, tt.body)
		})
		a := l.Ask(t.Context(), []verifier.Question{ask(verifier.Measure{Count: `{app="a"}`}, shop)})[0]
		var failure *verifier.SourceError
		if !errors.As(a.Err, &failure) || failure.Reason != tt.reason || failure.After != tt.after || len(a.Samples) > 0 {
			t.Errorf("%d %s: %+v, %v; want %s", tt.status, tt.body, failure, a.Err, tt.reason)
		}
	}
}

func TestLokiTellsWhoAsks(t *testing.T) {
	var mu sync.Mutex
	asked := map[string]int{}
	l := fakeLoki(t, LokiConfig{ServerConfig: ServerConfig{BearerToken: "hush"}, Tenant: "orders"}, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked[r.FormValue("query")]++
		if r.Header.Get("X-Scope-OrgID") != "orders" || r.Header.Get("Authorization") != "Bearer hush" {
			t.Errorf("the header is %v", r.Header)
		}
		if start, step := r.FormValue("start"), r.FormValue("step"); start != strconv.FormatInt(noon.Add(time.Minute).Unix(), 10) || step != "60" {
			t.Errorf("start %s, step %s", start, step)
		}
		fmt.Fprint(w, matrix(seriesText("", "1")))
	})
	q := ask(verifier.Measure{Count: `{app="a"} |= "x"`}, shop)
	l.Ask(t.Context(), []verifier.Question{q, q, ask(verifier.Measure{Count: `{app="a"}`}, shop)})
	if len(asked) != 2 || asked[`sum(count_over_time({app="a"} [1m]))`] != 1 {
		t.Errorf("asked %v, want each query once", asked)
	}
	for _, c := range []LokiConfig{{}, {ServerConfig: ServerConfig{URL: "http://x", Lag: -1}}, {ServerConfig: ServerConfig{URL: "http://x", BearerToken: "a", Username: "b"}}} {
		if _, err := NewLoki(c, nil); !errors.Is(err, verifier.ErrInvalid) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestLokiRefuses(t *testing.T) {
	for _, tt := range []struct {
		measure verifier.Measure
		want    string
	}{
		{verifier.Measure{}, "measure: asks for nothing; write count: "},
		{verifier.Measure{PromQL: "up"}, "promql: is nothing a Loki source can answer"},
		{verifier.Measure{Percentile: &verifier.Percentile{Field: "a", P: 95}}, "percentile: is nothing a Loki source can answer; write query: 'quantile_over_time"},
		{verifier.Measure{Count: "error"}, "is no log selector"},
		{verifier.Measure{Count: `sum(rate({a="b"}[1m]))`}, "is no log selector"},
		{verifier.Measure{Count: `{a="b"} [5m]`}, "has a range"},
		{verifier.Measure{Count: `{a="b"} |= "x`}, "literal not terminated"},
		{verifier.Measure{Count: `{a="b"`}, "has a { that nothing closes"},
		{verifier.Measure{Count: `{a="b"})`}, "that nothing opens"},
		{verifier.Measure{Query: `{a="b"} |= "x"`}, "gives lines; write one that gives a number"},
		{verifier.Measure{Query: `rate({a="b"}[5 minutes])`}, "[5 minutes] is no plain duration"},
		{verifier.Measure{Count: `{app={{.Service}}}`}, "outside a quoted literal"},
		{verifier.Measure{Count: `{app="a"} | line_format "{{.Service}}"`}, "no line's text"},
		{verifier.Measure{Count: `{app='{{.Service}}'}`}, "no line's text"},
		{verifier.Measure{Count: `{app="a"} |~ "[{{.Service}}]"`}, "middle of a class"},
		{verifier.Measure{Count: `{app="a"} // {{.Service}}`}, "in a comment"},
		{verifier.Measure{Count: `{app="a"}`, Pick: map[string]string{"a": "b"}}, "pick: is for query alone"},
	} {
		if _, err := CheckLoki(tt.measure); err == nil || !strings.Contains(err.Error(), tt.want) || !errors.Is(err, verifier.ErrInvalid) {
			t.Errorf("%+v: got %v, want %s", tt.measure, err, tt.want)
		}
	}
	for text, want := range map[string]time.Duration{
		`sum(rate({a="[9h]"}[5m])) / sum(rate({a="b"} | json | x > 1.5 [1h]))`: time.Hour, `sum(count_over_time({a="b"}[{{.Step}}]))`: 0,
		"sum(rate({a=`x`} |~ `[a-z]{2}` [2m])) # [7h]": 2 * time.Minute,
	} {
		if got, err := CheckLoki(verifier.Measure{Query: text}); err != nil || got != want {
			t.Errorf("%s looks back %s, %v; want %s", text, got, err, want)
		}
	}
}

// FuzzLogQLStaysInItsLiteral holds what is filled in against the scanner that Loki itself reads with, and Go's own literals.
func FuzzLogQLStaysInItsLiteral(f *testing.F) {
	seeds(f)
	const text = `{app="{{.Service}}", v=~"(x|{{.Version}}).*", h{{.HostOp}}"{{.Hosts}}:9"} |= "pre{{.Labels.x}}post" |~ "a{{.Team}}" | env="{{.Environment}}"`
	const raw = "{app=`{{.Service}}`} !~ `{{.Team}}`"
	f.Fuzz(func(t *testing.T, v string) {
		for _, text := range []string{text, raw} {
			got, err := Fill(LogQL, text, hostile(v), time.Minute)
			if err != nil {
				if !strings.Contains(err.Error(), "backticks") {
					t.Fatalf("%q: %v", v, err)
				}
				continue
			}
			benign, err := Fill(LogQL, text, hostile("good"), time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			sameLogQL(t, v, got, benign)
		}
	})
}

// sameLogQL checks that both have the same tokens but for literals, which hold what was meant.
func sameLogQL(t *testing.T, v, got, benign string) {
	t.Helper()
	g, w := literalsOf(t, got), literalsOf(t, benign)
	if len(g) != len(w) {
		t.Fatalf("%q: %d tokens, want %d: %s", v, len(g), len(w), got)
	}
	valid := strings.ToValidUTF8(v, string(utf8.RuneError))
	for i := range g {
		plain, quoted := strings.ReplaceAll(w[i], "good", valid), strings.ReplaceAll(w[i], "good", regexp.QuoteMeta(valid))
		if g[i] != plain && g[i] != quoted {
			t.Fatalf("%q: token %q, want %q: %s", v, g[i], plain, got)
		}
	}
}

func literalsOf(t *testing.T, text string) (out []string) {
	t.Helper()
	tokens, err := tokensOf(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	for i, tok := range tokens {
		end := len(text)
		if i+1 < len(tokens) {
			end = tokens[i+1].at
		}
		piece := strings.TrimSpace(text[tok.at:end])
		if strings.HasPrefix(piece, `"`) || strings.HasPrefix(piece, "`") {
			s, err := strconv.Unquote(piece)
			if err != nil {
				t.Fatalf("%s does not read: %v", piece, err)
			}
			piece = "literal " + s
		}
		out = append(out, piece)
	}
	return out
}
