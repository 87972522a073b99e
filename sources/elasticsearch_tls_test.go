package sources

import (
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"verifier"
)

// TestElasticsearchOverTLS asks a server with a certificate of its own: believed with its ca_file alone, by address and by cloud id, and
// with the credentials of each kind.
func TestElasticsearchOverTLS(t *testing.T) {
	f := &esFake{product: true, search: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, esBody("")) }}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a := r.Header.Get("Authorization"); a != "ApiKey aWQ6a2V5" && a != "Basic YTpi" {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":{"type":"security_exception","reason":"missing authentication credentials"},"status":401}`)
			return
		}
		f.ServeHTTP(w, r)
	}))
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	first, rest, _ := strings.Cut(strings.TrimPrefix(server.URL, "https://"), ".")
	cloud := "shop:" + base64.StdEncoding.EncodeToString([]byte(rest+"$"+first+"$kibana")) // which stands for https://127.0.0.1:port
	for _, c := range []struct {
		name string
		of   ElasticsearchConfig
		want string
	}{
		{"an API key", ElasticsearchConfig{URL: server.URL, CAFile: ca, APIKey: "id:key"}, ""},
		{"basic authentication", ElasticsearchConfig{URL: server.URL, CAFile: ca, Username: "a", Password: "b"}, ""},
		{"a cloud id", ElasticsearchConfig{CloudID: cloud, CAFile: ca, APIKey: "aWQ6a2V5"}, ""},
		{"no credentials", ElasticsearchConfig{URL: server.URL, CAFile: ca}, "401 Unauthorized: security_exception"},
		{"wrong credentials", ElasticsearchConfig{URL: server.URL, CAFile: ca, APIKey: "hush"}, "401 Unauthorized: security_exception"},
		{"a certificate of nobody's", ElasticsearchConfig{URL: server.URL, APIKey: "id:key"}, "certificate signed by unknown authority"},
		{"plain HTTP", ElasticsearchConfig{URL: "http" + strings.TrimPrefix(server.URL, "https"), APIKey: "id:key"}, "400 Bad Request"},
	} {
		c.of.Index = "logs-*"
		e, err := NewElasticsearch(c.of, nil)
		if err != nil {
			t.Fatal(err)
		}
		a := oneOf(t, e, errorsCounted, ofShop)
		if c.want == "" {
			if a.Err != nil || len(a.Samples) == 0 {
				t.Errorf("%s: %+v", c.name, a)
			}
			continue
		}
		var said *verifier.SourceError
		if !errors.As(a.Err, &said) || !strings.Contains(a.Err.Error(), c.want) || strings.Contains(a.Err.Error(), "hush") {
			t.Errorf("%s: %v, want %q", c.name, a.Err, c.want)
		} else if c.want[:3] != "400" && said.Reason != verifier.SourceDown {
			t.Errorf("%s is %s", c.name, said.Reason)
		}
	}
}
