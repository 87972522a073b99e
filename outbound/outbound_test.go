package outbound

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"verifier"
)

func newClient(t *testing.T, c Config) *http.Client {
	t.Helper()
	rt, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	client := Client(rt, 0)
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func TestAnswerIsCutOffWithAnError(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, strings.Repeat("x", 1000)) })
	for _, tt := range []struct {
		max  int64
		want error
	}{{999, ErrTooLarge}, {1000, nil}, {1001, nil}} {
		resp, err := newClient(t, Config{MaxBytes: tt.max}).Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if !errors.Is(err, tt.want) || int64(len(b)) > tt.max {
			t.Errorf("max %d: %d bytes, error %v; want error %v", tt.max, len(b), err, tt.want)
		}
	}
}

func TestTimeoutCoversTheBody(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	resp, err := newClient(t, Config{Timeout: 50 * time.Millisecond}).Get(s.URL)
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want a deadline", err)
	}
}

func TestGuard(t *testing.T) {
	allow := []netip.Prefix{netip.MustParsePrefix("169.254.7.0/24")}
	for _, tt := range []struct {
		address string
		refused bool
	}{
		{"169.254.169.254:80", true},
		{"[::ffff:169.254.169.254]:80", true},
		{"[64:ff9b::a9fe:a9fe]:80", true},
		{"[fe80::1%eth0]:80", true},
		{"[fd00:ec2::254]:80", true},
		{"169.254.7.1:80", false},
		{"127.0.0.1:9090", false},
		{"10.0.0.1:443", false},
		{"[fd00:ec2::253]:80", false},
		{"metadata:80", true},
	} {
		err := guard(allow)(context.Background(), "tcp", tt.address, nil)
		if (err != nil) != tt.refused {
			t.Errorf("%s: got %v, want refused %v", tt.address, err, tt.refused)
		}
		if err != nil && !errors.Is(err, verifier.ErrInvalid) {
			t.Errorf("%s: %v is not invalid", tt.address, err)
		}
	}
}

func TestGuardHoldsAtConnectTime(t *testing.T) {
	err := JSON(t.Context(), newClient(t, Config{}), "GET", "http://169.254.169.254/latest?token=hush", nil, nil, nil)
	if !errors.Is(err, verifier.ErrInvalid) || errors.Is(err, verifier.ErrTemporary) || strings.Contains(err.Error(), "hush") {
		t.Errorf("got %v, want it refused without the secret", err)
	}
}

func TestDialIsGuardedAndBounded(t *testing.T) {
	if _, err := Dial(Config{})(t.Context(), "tcp", "169.254.169.254:80"); !errors.Is(err, verifier.ErrInvalid) {
		t.Errorf("got %v, want it refused", err)
	}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, strings.Repeat("x", 1<<20)) })
	client := http.Client{Transport: &http.Transport{DialContext: Dial(Config{MaxBytes: 100 << 10})}}
	resp, err := client.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); !errors.Is(err, ErrTooLarge) || len(b) > 200<<10 {
		t.Errorf("%d bytes, error %v; want it cut off", len(b), err)
	}
}

func TestRedirects(t *testing.T) {
	other := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{}`) })
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/same":
			http.Redirect(w, r, "/end", http.StatusFound)
		case "/other":
			http.Redirect(w, r, other.URL+"/?token=hush", http.StatusTemporaryRedirect)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		default:
			fmt.Fprint(w, `{}`)
		}
	})
	for path, want := range map[string]string{"/same": "", "/other": "redirects to another host", "/loop": "redirects more than"} {
		err := JSON(t.Context(), newClient(t, Config{}), "GET", s.URL+path, nil, nil, &struct{}{})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, verifier.ErrInvalid)) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v holds a secret", path, err)
		}
	}
	down, _ := http.NewRequest("GET", "http://a/", nil)
	first, _ := http.NewRequest("GET", "https://a/", nil)
	if err := sameHost(down, []*http.Request{first}); err == nil {
		t.Error("a redirect from https to http is followed")
	}
}

func TestJSON(t *testing.T) {
	type doc struct{ A int }
	for _, tt := range []struct {
		name    string
		status  int
		header  string
		body    string
		want    int
		problem string
		kind    error
		after   time.Duration
	}{
		{name: "good", status: 200, body: `{"A":7}`, want: 7},
		{name: "no content", status: 204},
		{name: "page", status: 200, body: "\n<html>login</html>", problem: "HTML instead of JSON"},
		{name: "text", status: 200, body: "oh\x00no", problem: "no JSON: invalid character 'o' looking for beginning of value: oh no"},
		{name: "busy", status: 429, header: "7", body: "slow", problem: "answered 429 Too Many Requests: slow", kind: verifier.ErrTemporary, after: 7 * time.Second},
		{name: "down", status: 503, problem: "answered 503 Service Unavailable", kind: verifier.ErrTemporary},
		{
			name: "page that says what is wrong", status: 401, problem: "answered 401 Unauthorized: 401 Unauthorized It's not you", kind: verifier.ErrInvalid,
			body: "<!DOCTYPE html><html><head><title>401</title><style>\n#a { color: red }</style></head><body>\n<h2>401 Unauthorized</h2><p>It&#39;s not you</p></body></html>",
		},
		{name: "wrong", status: 400, body: "see https://u:p@h/x?key=1", problem: "400 Bad Request: see https://h/x?key=...", kind: verifier.ErrInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				if string(b) != `{"A":1}` || r.Header.Get("X-Key") != "k" || r.Header.Get("User-Agent") != "verifier" {
					t.Errorf("got body %q and header %v", b, r.Header)
				}
				if tt.header != "" {
					w.Header().Set("Retry-After", tt.header)
				}
				w.WriteHeader(tt.status)
				if tt.body != "" {
					fmt.Fprint(w, tt.body)
				}
			})
			var out doc
			err := JSON(t.Context(), newClient(t, Config{}), "POST", s.URL+"/p?token=hush", http.Header{"X-Key": {"k"}}, doc{1}, &out)
			if tt.problem == "" {
				if err != nil || out.A != tt.want {
					t.Fatalf("got %v, %v; want %d", out, err, tt.want)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.problem) || strings.Contains(err.Error(), "hush") {
				t.Fatalf("got %v, want %q", err, tt.problem)
			}
			if tt.kind != nil && !errors.Is(err, tt.kind) {
				t.Errorf("%v is not %v", err, tt.kind)
			}
			var temporary *verifier.TemporaryError
			if errors.As(err, &temporary) && temporary.After != tt.after {
				t.Errorf("after %v, want %v", temporary.After, tt.after)
			}
		})
	}
}

func TestNoAnswerIsTemporary(t *testing.T) {
	s := serve(t, nil)
	s.Close()
	err := JSON(t.Context(), newClient(t, Config{}), "GET", s.URL+"/?key=hush", nil, nil, nil)
	if !errors.Is(err, verifier.ErrTemporary) || strings.Contains(err.Error(), "hush") {
		t.Errorf("got %v, want a temporary error without the secret", err)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "soon": 0, "12": 12 * time.Second, "-1": 0, "99999999": 24 * time.Hour,
		"Tue, 24 Nov 2026 10:01:00 GMT": time.Minute, "Tue, 24 Nov 2026 09:00:00 GMT": 0,
	} {
		if got := RetryAfter(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

func TestRedactText(t *testing.T) {
	for in, want := range map[string]string{
		"no url: a?b=c":                             "no url: a?b=c",
		`Get "https://u:p@h:1/a/b?key=s&x": EOF`:    `Get "https://h:1/a/b?key=...&x=...": EOF`,
		"https://hooks.slack.com/services/T0/B0/xx": "https://hooks.slack.com/services/...",
		"postgres://u:p%zz@h/db":                    "postgres://...",
		"see https://h/x and https://h/y#frag":      "see https://h/x and https://h/y",
	} {
		if got := RedactText(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	inner := &StatusError{Code: 503}
	err := Redact(fmt.Errorf("https://h/?k=v: %w", inner))
	var status *StatusError
	if !errors.As(err, &status) || strings.Contains(err.Error(), "=v") {
		t.Errorf("got %v", err)
	}
	if Redact(nil) != nil {
		t.Error("nil became an error")
	}
}

func FuzzRedactText(f *testing.F) {
	f.Add("https://", "@h/")
	f.Add("x http://user:", "@h:80/a?b=c")
	f.Fuzz(func(t *testing.T, before, after string) {
		got := RedactText("https://u:s3cr3tpass@host" + after)
		if strings.Contains(strings.ReplaceAll(got, after, ""), "s3cr3tpass") {
			t.Errorf("%q kept in %q", "s3cr3tpass", got)
		}
		RedactText(before + after)
	})
}

func TestSecretIsNotShown(t *testing.T) {
	holder := struct {
		S Secret `json:"s" yaml:"s"`
	}{"hush"}
	j, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	y, err := yaml.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		string(j), string(y), holder.S.String(), fmt.Sprint(holder), fmt.Sprintf("%+v %#v %q %x", holder, holder, holder.S, holder.S),
	} {
		if strings.Contains(text, "hush") || strings.Contains(text, "68757368") {
			t.Errorf("shown in %s", text)
		}
	}
	if err := yaml.Unmarshal([]byte(`s: 'it''s: "x"'`), &holder); err != nil || holder.S.Reveal() != `it's: "x"` {
		t.Errorf("read %q, %v", holder.S.Reveal(), err)
	}
}

func TestReadSecret(t *testing.T) {
	dir := t.TempDir()
	file, empty := filepath.Join(dir, "key"), filepath.Join(dir, "empty")
	for name, text := range map[string]string{file: "  hush\n", empty: "\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ value, file, want, problem string }{
		{"v", "", "v", ""},
		{"", "", "", ""},
		{"", file, "hush", ""},
		{"v", file, "", "given twice"},
		{"", empty, "", "is empty"},
		{"", filepath.Join(dir, "none"), "", "no such file"},
	} {
		got, err := ReadSecret(tt.value, tt.file)
		if got.Reveal() != tt.want || (err != nil) != (tt.problem != "") || err != nil && !strings.Contains(err.Error(), tt.problem) {
			t.Errorf("%+v: got %q, %v", tt, got.Reveal(), err)
		}
	}
}

func TestCAFile(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{}`) }))
	defer s.Close()
	s.Config.ErrorLog = nil
	file := filepath.Join(t.TempDir(), "ca.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(file, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := JSON(t.Context(), newClient(t, Config{CAFile: file}), "GET", s.URL, nil, nil, &struct{}{}); err != nil {
		t.Errorf("with its certificate: %v", err)
	}
	if err := JSON(t.Context(), newClient(t, Config{}), "GET", s.URL, nil, nil, nil); err == nil {
		t.Error("an unknown certificate is trusted")
	}
	if err := os.WriteFile(file, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{CAFile: file}); !errors.Is(err, verifier.ErrInvalid) {
		t.Errorf("a file without certificates: %v", err)
	}
}
