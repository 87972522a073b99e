package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"verifier"
)

// contract holds answers of a running server against the document that it serves.
type contract struct {
	*front
	doc    *openapi3.T
	router routers.Router
	seen   map[string]bool // operation and status
}

func openContract(f *front) *contract {
	f.t.Helper()
	var text string
	if code := f.ask("GET", "/openapi.json", "", &text); code != http.StatusOK {
		f.t.Fatalf("/openapi.json answers %d", code)
	}
	doc, err := openapi3.NewLoader().LoadFromData([]byte(text))
	if err != nil {
		f.t.Fatal(err)
	}
	if err := doc.Validate(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	for _, s := range doc.Components.Schemas { // what is not documented must not be answered either
		if v := s.Value; len(v.Properties) > 0 && v.AdditionalProperties.Has == nil {
			no := false
			v.AdditionalProperties.Has = &no
		}
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		f.t.Fatal(err)
	}
	return &contract{f, doc, router, map[string]bool{}}
}

// holds asks, and compares status, content type and body with the document.
func (c *contract) holds(method, path, body string, want int, header ...string) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	route, params, err := c.router.FindRoute(r)
	if err != nil {
		c.t.Errorf("%s %s is not in the document: %v", method, path, err)
		return
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if response.StatusCode != want {
		c.t.Errorf("%s %s answers %d, want %d: %.300s", method, path, response.StatusCode, want, text)
	}
	err = openapi3filter.ValidateResponse(c.t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
		Status:                 response.StatusCode, Header: response.Header, Body: io.NopCloser(bytes.NewReader(text)),
		Options: &openapi3filter.Options{IncludeResponseStatus: response.StatusCode < 400, MultiError: true},
	})
	if err != nil {
		c.t.Errorf("%s %s answers %d %.600s\nwhich is not what the document says: %v", method, path, response.StatusCode, text, err)
	}
	kind := "success"
	if response.StatusCode >= 400 {
		kind = "error"
	}
	c.seen[method+" "+route.Path+" "+kind] = true
}

// TestAnswersAreAsDocumented asks for every operation of the document, with an answer that is good and one that is not.
func TestAnswersAreAsDocumented(t *testing.T) {
	t.Parallel()
	f := openFront(t, frontConfig+`hooks: {github: {secret: hush}}
receivers: [{name: chat, webhook_configs: [{url: 'http://127.0.0.1:1/'}]}]
route: {receiver: chat}
gates: {production: {after: [staging]}}
services: [{match: {service: shop}, team: web, rollback: {mode: approve, by: {webhook: {url: 'http://127.0.0.1:1/', secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}}}}]
`, strings.Replace(frontRules, "watch: 2s", "watch: 30s", 1))
	defer f.stop()
	openapi3filter.RegisterBodyDecoder("text/event-stream", openapi3filter.PlainBodyDecoder)
	openapi3filter.RegisterBodyDecoder("text/markdown", openapi3filter.PlainBodyDecoder)
	openapi3filter.RegisterBodyDecoder("text/html", openapi3filter.PlainBodyDecoder)
	openapi3filter.RegisterBodyDecoder("text/csv", openapi3filter.PlainBodyDecoder)
	c := openContract(f)
	failed := c.prepare()
	month := time.Now().UTC().Format("2006-01")
	c.holds("GET", "/v1/deploys?limit=1", "", 200)
	c.holds("GET", "/v1/deploys?limit=0&kind=x", "", 422)
	c.holds("GET", "/v1/deploys/d0", "", 200)
	c.holds("GET", "/v1/deploys/none", "", 404)
	c.holds("POST", "/v1/deploys", `{"id":"d0","service":"shop","environment":"production","version":"1.0"}`, 200)
	c.holds("POST", "/v1/deploys", `{"servcie":"shop"}`, 422)
	c.holds("POST", "/v1/deploys/d0/mark", `{"good":true,"cause":"looked"}`, 200)
	c.holds("POST", "/v1/deploys/d0/mark", `{}`, 422)
	c.holds("POST", "/v1/deploys", `{"by":"`+strings.Repeat("x", 1<<20)+`"}`, 413)
	c.holds("GET", "/v1/verifications", "", 200)
	c.holds("GET", "/v1/verifications?state=x", "", 422)
	c.holds("GET", "/v1/verifications/"+failed.ID, "", 200)
	c.holds("GET", "/v1/verifications/none", "", 404)
	c.holds("GET", "/v1/verifications/none/events", "", 404)
	c.holds("GET", "/v1/incidents", "", 200)
	c.holds("GET", "/v1/incidents?open=x", "", 422)
	c.holds("GET", "/v1/reports/"+month+"?by=team", "", 200)
	for _, format := range []string{"text", "csv", "markdown", "html"} {
		c.holds("GET", "/v1/reports/"+month+"?format="+format, "", 200)
	}
	c.holds("GET", "/v1/reports/2016-13", "", 422)
	c.holds("GET", "/v1/explain?service=shop&environment=production", "", 200)
	c.holds("GET", "/v1/explain", "", 422)
	c.holds("GET", "/v1/explain/cost", "", 200)
	c.holds("GET", "/v1/status", "", 200)
	c.holds("POST", "/v1/alert-test", `{"receiver":"chat"}`, 200)
	c.holds("POST", "/v1/alert-test", `{"receiver":"none"}`, 422)
	c.people(failed)
	c.tools()
	c.complete()
}

// prepare brings a deploy to its verdict.
func (c *contract) prepare() verifier.Verification {
	c.t.Helper()
	// 1.0 is older than the watch of 1.1, so that there is something to go back to, once a person says so.
	c.holds("POST", "/v1/deploys", `{"id":"d0","service":"shop","environment":"production","version":"1.0","at":"`+time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)+`"}`, 202)
	c.holds("POST", "/v1/deploys", `{"id":"d1","service":"shop","environment":"production","version":"1.1","team":"web","hosts":["a"],"labels":{"tier":"1"},"rollback":{"allowed":true,"reason":""}}`, 202)
	c.write("x.log", errorLines(time.Now()))
	var v verifier.Verification
	for range 100 {
		if c.ask("GET", "/v1/verifications/d1", "", &v); v.State == verifier.FailedState {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if v.State != verifier.FailedState {
		c.t.Fatalf("d1 is %s: %+v", v.State, v.Findings)
	}
	return v
}

// people are orders and holds.
func (c *contract) people(failed verifier.Verification) {
	c.t.Helper()
	at := "/v1/verifications/" + url.PathEscape(failed.ID) + "/"
	for _, verb := range verifier.Verbs {
		c.holds("POST", at+string(verb), `{"to":7,"raeson":""}`, 422)
		c.holds("POST", "/v1/verifications/none/"+string(verb), `{}`, 404)
	}
	c.holds("POST", at+"deny", `{"reason":"no"}`, 200)
	c.holds("POST", at+"approve", `{"reason":"late"}`, 409)
	c.holds("POST", at+"rollback", `{"reason":"by hand","to":"1.0"}`, 200)
	c.holds("POST", "/v1/deploys", `{"id":"d2","service":"cart","environment":"production","version":"1"}`, 202)
	c.holds("POST", "/v1/verifications/d2/cancel", `{}`, 200)
	c.holds("GET", "/v1/verifications/d2/events", "", 200)
	c.holds("POST", at+"dismiss", `{"reason":"the errors were a test"}`, 200)
	c.holds("POST", "/v1/verifications/d2/results?name=smoke", `<testsuite><testcase name="a"/><testcase name="b"><failure message="no"/></testcase></testsuite>`, 200)
	c.holds("POST", "/v1/verifications/d2/results", `{"name":"smoke","tests":"two"}`, 422)
	c.holds("GET", "/v1/gate?service=shop&environment=production&version=7", "", 200)
	c.holds("GET", "/v1/gate?service=shop", "", 422)
	c.holds("POST", "/v1/gate", `{"service":"shop","environment":"production","version":"8"}`, 422)
	c.holds("POST", "/v1/gate", `{"service":"shop","environment":"production","version":"7","reason":"sale"}`, 200)
	c.holds("GET", "/v1/gate?service=shop&environment=production&version=7", "", 200)
	hold := verifier.Hold{}
	c.ask("POST", "/v1/holds", `{"reason":"freeze"}`, &hold)
	c.holds("POST", "/v1/holds", `{"reason":"freeze","services":["a*"],"stops":["rollback","gate"],"until":"2100-01-01T00:00:00Z"}`, 201)
	c.holds("POST", "/v1/holds", `{}`, 422)
	c.holds("POST", "/v1/mutes", `{"reason":"known","until":"2100-01-01T00:00:00Z"}`, 201)
	c.holds("POST", "/v1/mutes", `{"reason":"known"}`, 422)
	c.holds("GET", "/v1/holds", "", 200)
	c.holds("GET", "/v1/holds?limit=x", "", 422)
	c.holds("DELETE", "/v1/holds/"+hold.ID, "", 204)
	c.holds("DELETE", "/v1/holds/"+hold.ID, "", 404)
	noise := verifier.Noise{}
	c.ask("POST", "/v1/noise", `{"pattern":"no rate for anna@example.com","reason":"tests"}`, &noise)
	c.holds("POST", "/v1/noise", `{"pattern":"no rate","reason":"tests","services":["a*"]}`, 201)
	c.holds("POST", "/v1/noise", `{"reason":7}`, 422)
	c.holds("GET", "/v1/noise", "", 200)
	c.holds("GET", "/v1/noise?limit=x", "", 422)
	c.holds("DELETE", "/v1/noise/"+noise.ID, "", 204)
	c.holds("DELETE", "/v1/noise/"+noise.ID, "", 404)
}

// tools are those that are not people: hooks, probes, scrapers.
func (c *contract) tools() {
	c.t.Helper()
	c.holds("POST", "/v1/hooks/github", `{}`, 401, "X-Hub-Signature-256", "sha256=00")
	c.holds("POST", "/v1/hooks/github", `{}`, 200, "X-GitHub-Event", "ping", "X-Hub-Signature-256", signedBy("hush", `{}`))
	c.holds("GET", "/metrics", "", 200)
	c.holds("GET", "/openapi.json", "", 200)
	c.holds("GET", "/healthz", "", 200)
	c.holds("GET", "/readyz", "", 200)
	for _, path := range []string{"/metrics", "/openapi.json", "/v1/status", "/v1/explain/cost"} {
		c.holds("GET", path, "", 401, "Authorization", "Bearer wrong")
	}
}

// complete reports operations of the document that nothing was asked of. Those without an error are named.
func (c *contract) complete() {
	c.t.Helper()
	hardToBreak := map[string]bool{"GET /healthz error": true, "GET /readyz error": true, "POST /v1/verifications/{id}/approve success": true}
	for path, item := range c.doc.Paths.Map() {
		for method := range item.Operations() {
			for _, kind := range []string{"success", "error"} {
				if key := method + " " + path + " " + kind; !c.seen[key] && !hardToBreak[key] {
					c.t.Errorf("nothing was asked for %s", key)
				}
			}
		}
	}
}

// TestAnswersHideTheMachine keeps the paths of files out of what is answered.
func TestAnswersHideTheMachine(t *testing.T) {
	f := openFront(t, frontConfig, frontRules)
	defer f.stop()
	for _, path := range []string{"/v1/status", "/v1/explain/cost", "/v1/nothing", "/readyz", "/v1/verifications/none"} {
		var text string
		f.ask("GET", path, "", &text)
		if strings.Contains(text, filepath.Dir(f.folder)) {
			t.Errorf("%s tells of %s: %s", path, f.folder, text)
		}
	}
}

// errorLines are 20 errors of the shop, from then on.
func errorLines(from time.Time) string {
	var lines strings.Builder
	for i := range 20 {
		at := from.Add(time.Duration(i) * 100 * time.Millisecond).UTC().Format(time.RFC3339Nano)
		fmt.Fprintf(&lines, `{"@timestamp":%q,"log.level":"ERROR","service.name":"shop","service.environment":"production","host.name":"a"}`+"\n", at)
	}
	return lines.String()
}

// signedBy is GitHub's signature.
func signedBy(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}
