package sinks

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"sync/atomic"
	"time"

	_ "embed"

	"verifier"
	"verifier/outbound"
)

// ElasticsearchConfig is an index of a cluster: Elasticsearch 7.17 or 8, or OpenSearch.
type ElasticsearchConfig struct {
	URL          string          `yaml:"url"`
	Index        string          `yaml:"index"` // default verifier
	Username     string          `yaml:"username"`
	Password     outbound.Secret `yaml:"password"`
	PasswordFile string          `yaml:"password_file"`
	APIKey       outbound.Secret `yaml:"api_key"`
	APIKeyFile   string          `yaml:"api_key_file"`
	CAFile       string          `yaml:"ca_file"`
	Template     *bool           `yaml:"template"` // false: the index template is somebody else's to keep
}

// Elasticsearch writes one document for each verdict, and one for each of its findings, under ids that retries keep.
type Elasticsearch struct {
	url, index string
	header     http.Header
	client     *http.Client
	template   bool
	kept       atomic.Bool // the template is there
}

var indexName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,200}$`)

// NewElasticsearch makes the sink; it calls nobody. A ca_file makes a way out of its own instead of rt.
func NewElasticsearch(c ElasticsearchConfig, rt http.RoundTripper) (*Elasticsearch, error) {
	at, err := address("url", c.URL)
	if err != nil {
		return nil, err
	}
	if c.Index == "" {
		c.Index = "verifier"
	}
	if !indexName.MatchString(c.Index) {
		return nil, verifier.Invalid("index", "%q is not a valid index name: use lower-case letters, digits, dots, dashes and underscores", c.Index)
	}
	header, err := c.header()
	if err != nil {
		return nil, err
	}
	if c.CAFile != "" {
		if rt, err = outbound.New(outbound.Config{CAFile: c.CAFile}); err != nil {
			return nil, err
		}
	}
	return &Elasticsearch{url: at, index: c.Index, header: header, client: outbound.Client(rt, 0), template: c.Template == nil || *c.Template}, nil
}

func (c ElasticsearchConfig) header() (http.Header, error) {
	password, err := outbound.ReadSecret(c.Password.Reveal(), c.PasswordFile)
	if err != nil {
		return nil, fmt.Errorf("password: %w", err)
	}
	key, err := outbound.ReadSecret(c.APIKey.Reveal(), c.APIKeyFile)
	if err != nil {
		return nil, fmt.Errorf("api_key: %w", err)
	}
	h := http.Header{}
	switch {
	case key != "" && (c.Username != "" || password != ""):
		return nil, verifier.Invalid("api_key", "and username are both given; keep one")
	case password != "" && c.Username == "":
		return nil, verifier.Invalid("username", "is missing; a password is given")
	case key != "":
		h.Set("Authorization", "ApiKey "+key.Reveal())
	case c.Username != "":
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(c.Username+":"+password.Reveal())))
	}
	return h, nil
}

// Wants takes verdicts.
func (e *Elasticsearch) Wants(s verifier.State) bool { return isVerdict(s) }

//go:embed elasticsearch_template.json
var indexTemplate []byte

// Write indexes the documents in one call. The index template is put before the first of them since the start.
func (e *Elasticsearch) Write(ctx context.Context, o Order) (string, error) {
	if e.template && !e.kept.Load() {
		if err := e.putTemplate(ctx); err != nil {
			return "", fmt.Errorf("put the index template: %w", err)
		}
		e.kept.Store(true)
	}
	var body bytes.Buffer
	lines := json.NewEncoder(&body)
	add := func(id string, document any) error {
		if err := lines.Encode(map[string]any{"index": map[string]string{"_id": documentID(id)}}); err != nil {
			return err
		}
		return lines.Encode(document)
	}
	err := add(o.Key, verdictDocument(o))
	for _, f := range o.Verification.Findings {
		err = errors.Join(err, add(o.Key+"/"+f.Rule, findingDocument(o, f)))
	}
	if err != nil {
		return "", fmt.Errorf("write the documents: %w", err)
	}
	if err := e.bulk(ctx, &body); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d documents", 1+len(o.Verification.Findings)), nil
}

// documentID is the key where Elasticsearch takes it, which is up to 512 bytes, and else a digest of it.
func documentID(key string) string {
	if len(key) <= 512 {
		return key
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(key)))
}

func (e *Elasticsearch) putTemplate(ctx context.Context) error {
	body := bytes.ReplaceAll(indexTemplate, []byte("INDEX"), []byte(e.index))
	return outbound.JSON(ctx, e.client, http.MethodPut, e.url+"/_index_template/"+url.PathEscape(e.index), e.header, json.RawMessage(body), nil)
}

// bulk sends the lines and looks at each item: HTTP 200 says nothing of them.
func (e *Elasticsearch) bulk(ctx context.Context, lines io.Reader) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url+"/"+url.PathEscape(e.index)+"/_bulk", lines)
	if err != nil {
		return outbound.Redact(err)
	}
	req.Header = e.header.Clone()
	req.Header.Set("Content-Type", "application/x-ndjson")
	req.Header.Set("Accept", "application/json")
	resp, err := e.client.Do(req)
	if err != nil {
		return &verifier.TemporaryError{Err: outbound.Redact(err)}
	}
	defer resp.Body.Close()
	if err := outbound.Status(resp); err != nil {
		return fmt.Errorf("index the documents: %w", err)
	}
	var answer struct {
		Errors bool `json:"errors"`
		Items  []map[string]struct {
			Status int             `json:"status"`
			Error  json.RawMessage `json:"error"`
		} `json:"items"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return &verifier.TemporaryError{Err: fmt.Errorf("index the documents: no answer of Elasticsearch: %w", err)}
	}
	if !answer.Errors {
		return nil
	}
	return worstItem(answer.Items)
}

// worstItem is an error that is temporary only where each failed item may go in another time.
func worstItem[T ~map[string]struct {
	Status int             `json:"status"`
	Error  json.RawMessage `json:"error"`
}](items []T) error {
	var out error
	for _, item := range items {
		for _, said := range item {
			if said.Status/100 == 2 {
				continue
			}
			err := fmt.Errorf("index the documents: status %d: %s", said.Status, outbound.Excerpt(string(said.Error)))
			if said.Status != http.StatusTooManyRequests && said.Status < 500 {
				return err
			}
			out = &verifier.TemporaryError{Err: err}
		}
	}
	if out == nil {
		out = errors.New("index the documents: answered errors, and none of any document")
	}
	return out
}

// document is what verdicts and findings have in common, in ECS where it has words for it.
func document(kind string, o Order) map[string]any {
	d := o.Verification.Deploy
	service := map[string]any{"name": d.Service, "environment": d.Environment, "version": d.Version}
	if d.Target != "" {
		service["target"] = d.Target
	}
	deploy := map[string]any{"id": d.ID, "at": d.At.UTC().Format(time.RFC3339Nano), "change": d.Change, "kind": d.Kind}
	for name, text := range map[string]string{
		"previous": d.Previous, "by": d.By, "commit": d.Commit, "repository": d.Repository, "group": d.Group, "team": d.Team, "url": d.URL,
	} {
		if text != "" {
			deploy[name] = text
		}
	}
	return map[string]any{
		"@timestamp": decided(o).UTC().Format(time.RFC3339Nano), "kind": kind, "key": o.Key, "verification": o.Verification.ID, "state": o.State,
		"service": service, "deploy": deploy, "url": o.URL,
	}
}

func verdictDocument(o Order) map[string]any {
	doc, v := document("verdict", o), o.Verification
	doc["message"] = summary(o)
	doc["seconds_to_verdict"] = max(0, decided(o).Sub(v.From).Seconds())
	doc["findings"] = map[string]int{"pass": count(v, verifier.Pass), "fail": count(v, verifier.Fail), "inconclusive": count(v, verifier.Inconclusive)}
	if v.Reason != "" {
		doc["reason"] = v.Reason
	}
	if r := v.Rollback; r != nil {
		doc["rollback"] = map[string]any{"state": r.State, "to": r.To}
	}
	return doc
}

func findingDocument(o Order, f verifier.Finding) map[string]any {
	doc := document("finding", o)
	doc["message"] = f.Text
	doc["finding"] = f
	return doc
}
