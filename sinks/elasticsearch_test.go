package sinks

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"verifier"
)

func esOpen(t *testing.T, url string) (Sink, error) {
	return NewElasticsearch(ElasticsearchConfig{URL: url + "/", Username: "elastic", Password: "hush"}, wayOut(t))
}

func TestElasticsearchDocuments(t *testing.T) {
	f := newFake(t, always(200, `{"errors":false,"items":[{"index":{"status":201}}]}`))
	s, err := esOpen(t, f.URL)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if said, err := s.Write(t.Context(), order(verifier.FailedState)); err != nil || said != "3 documents" {
			t.Fatal(said, err)
		}
	}
	calls := f.only(t, 3) // the template is put once
	if c := calls[0]; c.Method != "PUT" || c.Path != "/_index_template/verifier" || c.Header.Get("Authorization") != "Basic ZWxhc3RpYzpodXNo" {
		t.Errorf("%+v", c)
	}
	var template struct {
		Patterns []string `json:"index_patterns"`
		Template struct {
			Mappings struct{ Properties map[string]any }
		}
	}
	if err := json.Unmarshal([]byte(calls[0].Body), &template); err != nil || strings.Join(template.Patterns, " ") != "verifier verifier-*" {
		t.Fatal(err, template.Patterns)
	}
	c := calls[1]
	if c.Method != "POST" || c.Path != "/verifier/_bulk" || c.Header.Get("Content-Type") != "application/x-ndjson" || !strings.HasSuffix(c.Body, "\n") || c.Body != calls[2].Body {
		t.Errorf("%+v; want the same body each time", c)
	}
	common := `"@timestamp":"2026-11-24T12:05:00Z","key":"sink/out/github:42/failed","verification":"github:42","state":"failed","url":"https://v/verifications/github:42",
		"service":{"name":"checkout","environment":"production","version":"1.4.2"},
		"deploy":{"id":"github:42","at":"2026-11-24T12:00:00Z","change":"release","kind":"release","previous":"1.4.1","by":"anna","group":"g1","team":"payments",
			"commit":"f95f852bd8fca8fcc58a9a2d6c842781e32a215e","repository":"https://github.com/shop/checkout"}`
	want := []string{
		`{"index":{"_id":"sink/out/github:42/failed"}}`,
		`{"kind":"verdict",` + common + `,"message":"checkout 1.4.2 in production: failed. Error ratio 3.1 %; 0.4 % before.","seconds_to_verdict":300,
			"findings":{"pass":1,"fail":1,"inconclusive":0},"rollback":{"state":"proposed","to":"1.4.1"}}`,
		`{"index":{"_id":"sink/out/github:42/failed/error-ratio"}}`,
		`{"kind":"finding",` + common + `,"message":"Error ratio 3.1 %; 0.4 % before.","finding":{"rule":"error-ratio","outcome":"fail","reason":"worse",
			"text":"Error ratio 3.1 %; 0.4 % before.","value":0.031,"limit":0.01,"baseline":null,"interval":null,"confidence":null,"unit":"1","count":47,"exposure":1520,
			"from":"2026-11-24T12:00:00Z","to":"2026-11-24T12:05:00Z","query":"status:>=500","link":"https://kibana/x","muted":false,"on_fail":"rollback","severity":"page","samples":0}}`,
		`{"index":{"_id":"sink/out/github:42/failed/response-time"}}`,
		`{"kind":"finding",` + common + `,"message":"Fine.","finding":{"rule":"response-time","outcome":"pass","reason":"","text":"Fine.","value":null,"limit":null,
			"baseline":null,"interval":null,"confidence":null,"unit":"","count":0,"exposure":0,"from":"2026-11-24T12:00:00Z","to":"2026-11-24T12:05:00Z","query":"","link":"",
			"muted":false,"on_fail":"alert","severity":"warn","samples":0}}`,
	}
	lines := strings.Split(strings.TrimSpace(c.Body), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines: %s", len(lines), c.Body)
	}
	for i := range want {
		sameJSON(t, lines[i], want[i])
	}
	for _, line := range []string{lines[1], lines[3]} {
		checkMapped(t, line, template.Template.Mappings.Properties)
	}
}

// Elasticsearch takes ids of up to 512 bytes; the key itself stays whole in the document.
func TestElasticsearchLongKeys(t *testing.T) {
	long := strings.Repeat("ö", 300)
	if id := documentID(long); len(id) != len("sha256:")+64 || id != documentID(long) || id == documentID(long+"x") || documentID("sink/a/b/failed") != "sink/a/b/failed" {
		t.Errorf("got %s", id)
	}
}

// checkMapped wants the template to know every field of the document.
func checkMapped(t *testing.T, line string, properties map[string]any) {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal([]byte(line), &doc); err != nil {
		t.Fatal(err)
	}
	for name, v := range doc {
		known, _ := properties[name].(map[string]any)
		if known == nil {
			t.Errorf("the template does not know %s", name)
			continue
		}
		if inner, ok := v.(map[string]any); ok {
			text, _ := json.Marshal(inner)
			of, _ := known["properties"].(map[string]any)
			checkMapped(t, string(text), of)
		}
	}
}

func TestElasticsearchRetries(t *testing.T) {
	open := func(url string) (Sink, error) {
		no := false
		return NewElasticsearch(ElasticsearchConfig{URL: url, APIKey: "hush", Template: &no}, wayOut(t))
	}
	checkRetries(t, open, order(verifier.Passed), map[string]bool{
		"401 no": false, "404 no index": false, "429 later": true, "503 down": true, "200 <html>": true,
		`200 {"errors":true,"items":[{"index":{"status":201}},{"index":{"status":429,"error":{"type":"es_rejected_execution_exception"}}}]}`:                                          true,
		`200 {"errors":true,"items":[{"index":{"status":429,"error":{"type":"x"}}},{"index":{"status":400,"error":{"type":"mapper_parsing_exception","reason":"failed to parse"}}}]}`: false,
		`200 {"errors":true,"items":[]}`: false,
	})
	checkRetries(t, func(url string) (Sink, error) { return esOpen(t, url) }, order(verifier.Passed), map[string]bool{"403 may not put templates": false, "503 down": true})
}

func TestElasticsearchConfig(t *testing.T) {
	bad := func(c ElasticsearchConfig) error { _, err := NewElasticsearch(c, nil); return err }
	checkProblems(t, map[string]error{
		"url: is missing; write the server's address":    bad(ElasticsearchConfig{}),
		"url: holds a user":                              bad(ElasticsearchConfig{URL: "http://a:b@c"}),
		`index: "Verifier*" is not a valid index name`:   bad(ElasticsearchConfig{URL: "http://c", Index: "Verifier*"}),
		"api_key: and username are both given; keep one": bad(ElasticsearchConfig{URL: "http://c", APIKey: "x", Username: "y"}),
		"username: is missing; a password is given":      bad(ElasticsearchConfig{URL: "http://c", Password: "x"}),
		"read ca_file": bad(ElasticsearchConfig{URL: "http://c", CAFile: "/not/there"}),
	})
	s, err := NewElasticsearch(ElasticsearchConfig{URL: "http://c"}, nil)
	if err != nil || wants(s) != allVerdicts {
		t.Errorf("%v, wants %q", err, wants(s))
	}
}

// TestElasticsearchOverTLS writes to a server whose certificate is its own: with its ca_file, and not without.
func TestElasticsearchOverTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "ApiKey hush" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		io.WriteString(w, `{"errors":false}`)
	}))
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{ca: "", "": "certificate signed by unknown authority"} {
		s, err := NewElasticsearch(ElasticsearchConfig{URL: server.URL, CAFile: file, APIKey: "hush"}, wayOut(t))
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Write(t.Context(), order(verifier.Passed))
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || !errors.Is(err, verifier.ErrTemporary)) {
			t.Errorf("ca_file %q: %v, want %q", file, err, want)
		}
	}
}
