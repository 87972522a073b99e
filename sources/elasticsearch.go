package sources

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	elastic "github.com/elastic/go-elasticsearch/v8"

	"verifier"
	"verifier/outbound"
)

// ElasticsearchConfig is one cluster that speaks Elasticsearch's search API: Elasticsearch 7.17 and newer, OpenSearch.
type ElasticsearchConfig struct {
	URL          string                     `yaml:"url"`
	CloudID      string                     `yaml:"cloud_id"` // instead of url
	Index        string                     `yaml:"index"`    // indices, data streams, aliases and patterns of them, with commas between
	Fields       Fields                     `yaml:"fields"`
	Lag          time.Duration              `yaml:"lag"` // default 30 s: what is shipped and refreshed by then is there
	Headers      map[string]outbound.Secret `yaml:"headers"`
	APIKey       outbound.Secret            `yaml:"api_key"` // as Kibana shows it, encoded; or id:key
	APIKeyFile   string                     `yaml:"api_key_file"`
	Username     string                     `yaml:"username"`
	Password     outbound.Secret            `yaml:"password"`
	PasswordFile string                     `yaml:"password_file"`
	CAFile       string                     `yaml:"ca_file"`
	Timeout      time.Duration              `yaml:"timeout"` // of one call; default 30 s
	Budget       BudgetConfig               `yaml:"budget"`
	Kibana       string                     `yaml:"kibana"`    // its address, for links
	DataView     string                     `yaml:"data_view"` // the id of Kibana's data view, for links
	Patterns     PatternsConfig             `yaml:"patterns"`
}

// Elasticsearch answers count, ratio, percentile, average, patterns and raw queries from the documents of its indices.
type Elasticsearch struct {
	ElasticsearchConfig
	host     string // for people
	fields   fields
	masks    *masks
	client   *elastic.BaseClient
	budget   *budget
	mappings *shared[string, esMapping]
	searches *shared[string, esReply]
	names    *shared[string, esServices]
	values   *shared[string, fieldValues]
	bundles  bundler
}

// mappingKept is how long it takes at most until a changed mapping, or a new service name, is seen.
const mappingKept = time.Minute

// NewElasticsearch makes the client; it calls nobody. A nil rt is made from the configuration's ca_file and timeout.
func NewElasticsearch(c ElasticsearchConfig, rt http.RoundTripper) (*Elasticsearch, error) {
	address, err := c.address()
	if err != nil {
		return nil, err
	}
	u, err := serverURL(address)
	if err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	masks, err := c.Patterns.masks(mostFetched)
	if err != nil {
		return nil, err
	}
	if rt == nil {
		if rt, err = outbound.New(outbound.Config{CAFile: c.CAFile, Timeout: c.Timeout}); err != nil {
			return nil, err
		}
	}
	login, err := c.login()
	if err != nil {
		return nil, err
	}
	// Nothing is retried: the client would ask again at once, four times, whatever Retry-After says.
	client, err := elastic.NewBaseClient(elastic.Config{
		Addresses: []string{u.String()}, Transport: &esCall{rt, login}, DisableRetry: true, DisableMetaHeader: true,
	})
	if err != nil {
		return nil, outbound.Redact(err)
	}
	c.Lag, c.Timeout = cmp.Or(c.Lag, 30*time.Second), cmp.Or(c.Timeout, 30*time.Second)
	c.Kibana = strings.TrimSuffix(c.Kibana, "/")
	e := &Elasticsearch{
		ElasticsearchConfig: c, host: u.Host, fields: c.Fields.named(), masks: masks, client: client, budget: newBudget(c.Budget),
		mappings: newShared[string](mappingKept, func(m esMapping) bool { return m.err == nil }),
		searches: newShared[string](min(moment, c.Lag/2), func(r esReply) bool { return r.err == nil }),
	}
	e.names = newShared[string](mappingKept, func(s esServices) bool { return s.ok })
	e.values = newShared[string](valuesKept, func(v fieldValues) bool { return v != nil })
	e.bundles.send, e.bundles.gather = e.send, 5*time.Millisecond
	return e, nil
}

func (c ElasticsearchConfig) check() error {
	switch {
	case c.Index == "":
		return verifier.Invalid("index", "is missing; write a pattern like logs-*")
	case strings.ContainsAny(c.Index, " /\\?#\"<>|%") || strings.Contains(c.Index, ",,") || strings.Trim(c.Index, ",") != c.Index:
		return verifier.Invalid("index", "%q is none; write names or patterns with commas between, such as logs-*,filebeat-*", c.Index)
	case c.Fields.Time != nil && *c.Fields.Time == "":
		return verifier.Invalid("fields.time", "is empty; name the field that holds a document's time")
	case c.Lag < 0 || c.Timeout < 0:
		return verifier.Invalid("lag", "and timeout must not be negative")
	}
	if c.Kibana != "" {
		if _, err := serverURL(c.Kibana); err != nil {
			return verifier.Invalid("kibana", "is no address; write https://kibana.example.com, with /s/SPACE where there are spaces")
		}
	}
	return nil
}

// address is the url, or what the cloud id says: name:base64(host$elasticsearch$kibana).
func (c ElasticsearchConfig) address() (string, error) {
	if c.CloudID == "" || c.URL != "" {
		if c.CloudID != "" {
			return "", verifier.Invalid("cloud_id", "and url are both given; keep one")
		}
		return c.URL, nil
	}
	_, code, _ := strings.Cut(c.CloudID, ":")
	text, err := base64.StdEncoding.DecodeString(code)
	parts := strings.Split(string(text), "$")
	if err != nil || len(parts) < 2 || parts[0] == "" || parts[1] == "" {
		return "", verifier.Invalid("cloud_id", "is none; copy it from the deployment's page, it reads NAME:letters-and-digits")
	}
	host, port, _ := strings.Cut(parts[0], ":")
	return "https://" + parts[1] + "." + host + ":" + cmp.Or(port, "443"), nil
}

// login checks the credentials and gives what puts them on a request. Files are read at each call: they rotate.
func (c ElasticsearchConfig) login() (func(http.Header) error, error) {
	key := func() (outbound.Secret, error) { return outbound.ReadSecret(c.APIKey.Reveal(), c.APIKeyFile) }
	password := func() (outbound.Secret, error) { return outbound.ReadSecret(c.Password.Reveal(), c.PasswordFile) }
	k, err := key()
	if err != nil {
		return nil, fmt.Errorf("api_key: %w", err)
	}
	p, err := password()
	if err != nil {
		return nil, fmt.Errorf("password: %w", err)
	}
	switch {
	case k != "" && (c.Username != "" || p != ""):
		return nil, verifier.Invalid("api_key", "and username are both given; keep one")
	case (c.Username == "") != (p == ""):
		return nil, verifier.Invalid("username", "and password belong together; write both, or password_file")
	}
	return func(h http.Header) error {
		for name, value := range c.Headers {
			h.Set(name, value.Reveal())
		}
		if c.Username != "" {
			p, err := password()
			r := http.Request{Header: h}
			r.SetBasicAuth(c.Username, p.Reveal())
			return err
		}
		k, err := key()
		if err == nil && k != "" {
			h.Set("Authorization", "ApiKey "+encodedKey(k.Reveal()))
		}
		return err
	}, nil
}

// encodedKey is the key as it goes over the wire; id:key is how Elasticsearch's own API tells it.
func encodedKey(key string) string {
	if strings.Contains(key, ":") {
		return base64.StdEncoding.EncodeToString([]byte(key))
	}
	return key
}

// esCall adds the credentials, and the header without which Elastic's client refuses to speak with OpenSearch.
type esCall struct {
	next  http.RoundTripper
	login func(http.Header) error
}

const productHeader = "X-Elastic-Product"

func (c *esCall) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Del("Authorization")
	r.Header.Del("User-Agent") // outbound's own
	if err := c.login(r.Header); err != nil {
		return nil, err
	}
	resp, err := c.next.RoundTrip(r)
	if err == nil && resp.Header.Get(productHeader) == "" {
		resp.Header.Set(productHeader, "Elasticsearch")
	}
	return resp, err
}

// Lag is how late its data are.
func (e *Elasticsearch) Lag() time.Duration { return e.ElasticsearchConfig.Lag }

// HasPeers reports whether documents tell hosts or versions apart.
func (e *Elasticsearch) HasPeers(m verifier.Measure) bool {
	return e.fields.host != "" || e.fields.version != "" || picksArm(m.Pick)
}

// CheckElasticsearch says what is wrong with a measure for Elasticsearch, without asking anybody. window is always 0.
func CheckElasticsearch(m verifier.Measure) (window time.Duration, err error) {
	for _, no := range []struct {
		field string
		set   bool
	}{
		{"promql", m.PromQL != ""},
		{"nrql", m.NRQL != ""},
		{"command", len(m.Command) > 0},
		{"http", m.HTTP != ""},
	} {
		if no.set {
			return 0, verifier.Invalid(no.field, "is nothing Elasticsearch can answer; write count, ratio, percentile, average, patterns or query")
		}
	}
	if m.Where != "" && m.Percentile == nil && m.Average == nil {
		return 0, verifier.Invalid("where", "narrows percentile and average; put the condition of a count into its query")
	}
	if m.Patterns != "" && len(m.Pick) > 0 {
		return 0, verifier.Invalid("pick", "is not for patterns, whose messages are fetched by the source's own fields; take it out")
	}
	if err := checkPick(m.Pick); err != nil {
		return 0, err
	}
	labels := m
	labels.PromQL = m.Query // labelsIn reads this one
	s := verifier.Subject{Service: "x", Environment: "x", Target: "x", Version: "x", Team: "x", Labels: labelsIn(labels)}
	_, err = compileES(m, s, time.Second, "message")
	return 0, err
}
