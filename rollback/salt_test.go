package rollback

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"verifier"
	"verifier/outbound"
)

// saltFake is a salt-api that answers with what a real one was recorded to answer (testdata/SOURCES.md). web1 and web2 are its minions.
type saltFake struct {
	t        *testing.T
	mu       sync.Mutex
	running  []string // recordings: what runs on the minions, one look after the other, the last for ever
	ready    string
	listed   string   // the recording of the job cache; empty: nothing is in it before the call, jobs afterwards
	jobs     []string // recordings of the job, one look after the other
	found    string   // of looking for the job on the minions
	reply    string   // of the call: lost, swallowed, html, nothing, 500; else a recording
	expires  int      // after so many requests the session is over
	forbids  string   // a function that the user may not call
	logins   int
	starts   []low
	ended    []low
	requests int
}

func openSalt(t *testing.T) *saltFake {
	return &saltFake{t: t, running: []string{"idle"}, ready: "exists", jobs: []string{"job_ok"}, found: "found", reply: "started"}
}

func (f *saltFake) recording(name string) []byte {
	text, err := os.ReadFile("testdata/salt/" + name)
	if err != nil {
		f.t.Error(err)
	}
	return text
}

// page is how salt-api says what is wrong.
func (f *saltFake) page(w http.ResponseWriter, code int) {
	w.Header().Set("Content-Type", "text/html;charset=utf-8")
	w.WriteHeader(code)
	w.Write(f.recording("login_wrong.html"))
}

func (f *saltFake) say(w http.ResponseWriter, name string) {
	w.Header().Set("Content-Type", "application/json")
	w.Write(f.recording(name + ".json"))
}

// next is the first of the list, which goes on to the next one if there is any.
func next(list *[]string) string {
	first := (*list)[0]
	if len(*list) > 1 {
		*list = (*list)[1:]
	}
	return first
}

func (f *saltFake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests++
	switch {
	case r.URL.Path == "/login":
		f.logins++
		var in map[string]string
		if json.NewDecoder(r.Body).Decode(&in) != nil || in["username"] != "verifier" || in["password"] != "s3cret" || in["eauth"] != "sharedsecret" {
			f.page(w, http.StatusUnauthorized)
			return
		}
		f.say(w, "login")
	case r.Header.Get("X-Auth-Token") != "0123456789abcdef0123456789abcdef01234567" || f.requests == f.expires:
		f.page(w, http.StatusUnauthorized)
	case strings.HasPrefix(r.URL.Path, "/jobs/"):
		f.say(w, next(&f.jobs))
	default:
		var list []low
		if err := json.NewDecoder(r.Body).Decode(&list); err != nil || r.URL.Path != "/" || r.Method != http.MethodPost || len(list) != 1 {
			f.page(w, http.StatusBadRequest)
			return
		}
		f.call(w, list[0])
	}
}

func (f *saltFake) call(w http.ResponseWriter, in low) {
	function := in["fun"].(string)
	if function == f.forbids {
		f.page(w, http.StatusUnauthorized)
		return
	}
	switch function {
	case "saltutil.running":
		f.say(w, next(&f.running))
	case "state.sls_exists":
		f.say(w, f.ready)
	case "saltutil.find_job":
		f.say(w, f.found)
	case "saltutil.term_job":
		f.ended = append(f.ended, in)
		f.say(w, "terminated")
	case "jobs.list_jobs":
		if f.listed == "" && (len(f.starts) == 0 || f.reply == "swallowed") {
			fmt.Fprint(w, `{"return": [{}]}`)
			return
		}
		f.say(w, "jobs")
	default:
		f.starts = append(f.starts, in)
		f.begin(w)
	}
}

func (f *saltFake) begin(w http.ResponseWriter) {
	switch f.reply {
	case "lost", "swallowed":
		panic(http.ErrAbortHandler)
	case "html":
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html>busy</html>")
	case "nothing":
		fmt.Fprint(w, `{"return": []}`)
	case "500":
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprint(w, `{"status": 500, "return": "An unexpected error occurred"}`)
	default:
		f.say(w, f.reply)
	}
}

func TestSalt(t *testing.T) {
	type fake = *saltFake
	for name, c := range map[string]struct {
		fake    func(fake)
		deploy  string // the failed one's id
		key     string
		starts  int
		ended   int
		said    string // of what is said on the way
		problem string
		began   bool
	}{
		"to its end":             {fake: func(f fake) { f.jobs = []string{"job_running", "job_running", "job_ok"} }, starts: 1, said: "task 20261125121412523045 of verifier, 1.4.1 is running"},
		"a state fails":          {fake: func(f fake) { f.jobs = []string{"job_failed"} }, starts: 1, problem: `failed: web1: bad: Command "false" run, web2: bad: Command "false" run`, began: true},
		"another run was faster": {fake: func(f fake) { f.jobs = []string{"job_conflict"} }, starts: 1, problem: `web1: The function "state.apply" is running as PID`, began: true},
		"no such sls":            {fake: func(f fake) { f.jobs = []string{"job_no_sls"} }, starts: 1, problem: "web1: No matching sls found for 'shop.gone' in env 'base'", began: true},
		"only tested":            {fake: func(f fake) { f.jobs = []string{"job_tested"} }, starts: 1, problem: "it was only tested, and nothing changed", began: true},
		"killed where it ran":    {fake: func(f fake) { f.jobs, f.found = []string{"job_running"}, "not_found" }, starts: 1, problem: "web1, web2: it runs there no longer, and did not return", began: true},
		"it returns late": {fake: func(f fake) {
			f.jobs, f.found = []string{"job_running", "job_running", "job_running", "job_ok"}, "not_found"
		}, starts: 1},
		"the cache is late":            {fake: func(f fake) { f.jobs = []string{"job_unknown", "job_unknown", "job_ok"} }, starts: 1},
		"somebody else's run":          {fake: func(f fake) { f.running = []string{"running"} }, problem: "somebody else's task 20261125121412523045 of verifier, state.apply shop.deploy at web* of shop is running in Salt; nothing was begun"},
		"the failed one's run":         {fake: func(f fake) { f.running = []string{"running", "running", "idle"} }, deploy: "salt:20261125121412523045", starts: 1, ended: 1, said: "cancelled, and waiting for its end"},
		"minions that do not answer":   {fake: func(f fake) { f.running, f.ready = []string{"running_silent"}, "silent" }, starts: 1},
		"it cannot be rendered":        {fake: func(f fake) { f.ready = "exists_not" }, problem: "1.4.1 cannot be deployed: web1, web2 cannot render shop.deploy with 1.4.1"},
		"no minion":                    {fake: func(f fake) { f.ready = "no_minion" }, problem: "no minion fits web*; is salt.target right?"},
		"no minion at the last":        {fake: func(f fake) { f.reply = "no_minion" }, starts: 1, problem: "web* fits no minion: nothing was sent"},
		"the reply is lost":            {fake: func(f fake) { f.reply = "lost" }, starts: 1},
		"the call is lost":             {fake: func(f fake) { f.reply = "swallowed" }, starts: 1, problem: "not called for twice", began: true},
		"it breaks after it took it":   {fake: func(f fake) { f.reply = "500" }, starts: 1},
		"a page":                       {fake: func(f fake) { f.reply = "html" }, starts: 1},
		"nothing said":                 {fake: func(f fake) { f.reply = "nothing" }, starts: 1},
		"it began already":             {fake: func(f fake) { f.listed = "jobs" }, said: "succeeded"},
		"the session ends":             {fake: func(f fake) { f.expires = 5 }, starts: 1},
		"the session ends at the call": {fake: func(f fake) { f.expires = 6 }, starts: 1},
		"a wrong password":             {fake: func(fake) {}, key: "none", problem: "log in to salt-api as verifier"},
		"a function is not allowed":    {fake: func(f fake) { f.forbids = "jobs.list_jobs" }, problem: "external_auth of the master must let verifier call this"},
		"the call is not allowed":      {fake: func(f fake) { f.forbids = "state.apply" }, problem: "external_auth of the master must let verifier call this"},
	} {
		t.Run(name, func(t *testing.T) {
			f := openSalt(t)
			c.fake(f)
			server := httptest.NewServer(f)
			defer server.Close()
			rt, err := outbound.New(outbound.Config{})
			if err != nil {
				t.Fatal(err)
			}
			config := saltAt(server.URL)
			if c.key != "" {
				config.Key = outbound.Secret(c.key)
			}
			way, err := New(Config{Salt: &config}, rt)
			if err != nil {
				t.Fatal(err)
			}
			order := verifier.RollbackCall{
				ID: "rollback/salt:20261125100000000000/1", Service: "shop", Environment: "production", From: "1.4.2", To: "1.4.1", By: "auto", Deploy: verifier.Deploy{ID: "salt:20261125100000000000"},
			}
			if c.deploy != "" {
				order.Deploy.ID = c.deploy
			}
			said, err := followed(t, way.(*follower), order, func() {})
			if len(f.starts) != c.starts || len(f.ended) != c.ended {
				t.Errorf("began %v, ended %v; want %d and %d", f.starts, f.ended, c.starts, c.ended)
			}
			if !strings.Contains(strings.Join(said, "\n"), c.said) {
				t.Errorf("said %q, want %q among it", said, c.said)
			}
			for _, in := range f.starts {
				checkSaltStart(t, in, order)
			}
			for _, in := range f.ended {
				if got, _ := json.Marshal(in); !strings.Contains(string(got), `"arg":["20261125121412523045"]`) || !strings.Contains(string(got), `"tgt":["web1","web2"],"tgt_type":"list"`) {
					t.Errorf("ended %s", got)
				}
			}
			checkEnd(t, err, c.problem, c.began)
		})
	}
}

func saltAt(url string) SaltConfig {
	return SaltConfig{
		APIConfig: APIConfig{URL: url, Key: "s3cret"}, User: "verifier", Eauth: "sharedsecret", Target: "web*", State: "{{.Service}}.deploy",
		Pillar: map[string]string{"shop.version": "{{.To}}", "shop.sleep": "1", "env": "{{.Environment}}"},
	}
}

func checkSaltStart(t *testing.T, in low, order verifier.RollbackCall) {
	t.Helper()
	got, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"client":"local_async","fun":"state.apply","kwarg":{"mods":"shop.deploy","pillar":{"env":"production","shop":{"sleep":"1","version":"1.4.1"}}},` +
		`"metadata":{"url":"","verifier":"rollback/salt:20261125100000000000/1"},"tgt":"web*","tgt_type":"glob"}`
	if string(got) != want {
		t.Errorf("began with\n%s, want\n%s", got, want)
	}
}

// TestSaltLogsInOnce holds the session over many calls.
func TestSaltLogsInOnce(t *testing.T) {
	f := openSalt(t)
	server := httptest.NewServer(f)
	defer server.Close()
	way, err := newSalt(saltAt(server.URL), http.DefaultTransport)
	if err != nil {
		t.Fatal(err)
	}
	said, err := way.(*follower).Ready(t.Context(), verifier.RollbackCall{Service: "shop", To: "1.4.1"})
	if err != nil || said != "web1, web2: ready to apply shop.deploy with 1.4.1" {
		t.Errorf("ready: %q, %v", said, err)
	}
	f.ready = "silent"
	said, err = way.(*follower).Ready(t.Context(), verifier.RollbackCall{Service: "shop", To: "1.4.1"})
	if err != nil || said != "web1: ready to apply shop.deploy with 1.4.1; no answer comes from web2" || f.logins != 1 {
		t.Errorf("ready: %q, %v after %d logins", said, err, f.logins)
	}
}

func TestSaltConfig(t *testing.T) {
	good := saltAt("https://salt.example.com:8000")
	for want, change := range map[string]func(*SaltConfig){
		"salt.url is not a URL (try https://salt.example.com:8000)":       func(c *SaltConfig) { c.URL = "salt" },
		"salt.key is missing; write key_file":                             func(c *SaltConfig) { c.Key = "" },
		"salt.user is missing; write the user that external_auth":         func(c *SaltConfig) { c.User = "" },
		"salt.target is missing; write the minions that run the service":  func(c *SaltConfig) { c.Target = "" },
		"salt says nowhere which version to deploy; write pillar: {shop.": func(c *SaltConfig) { c.Pillar = map[string]string{"env": "x"} },
		"salt.pillar.shop.version: shop is a value already":               func(c *SaltConfig) { c.Pillar["shop"] = "x" },
		"salt.target: template: salt.target:1:2":                          func(c *SaltConfig) { c.Target = "{{.Hosts}}" },
	} {
		c := good
		c.Pillar = map[string]string{"shop.version": "{{.To}}"}
		change(&c)
		if _, err := newSalt(c, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	c := good
	c.Target, c.TargetType = "web1, web2,{{.Target}}", "list"
	way, err := newSalt(c, http.DefaultTransport)
	if err != nil {
		t.Fatal(err)
	}
	at, err := way.(*follower).tasks.(*salt).at(verifier.RollbackCall{Target: "web3"})
	if list, _ := at["tgt"].([]string); err != nil || !slices.Equal(list, []string{"web1", "web2", "web3"}) {
		t.Errorf("a list is %v, %v", at, err)
	}
}
