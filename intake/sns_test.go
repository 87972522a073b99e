package intake

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // as SNS does
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"verifier"
)

// sns is Amazon SNS with a key of its own: it serves its certificate and notes which subscriptions were confirmed.
type sns struct {
	key         *rsa.PrivateKey
	certificate []byte
	asked       []string
	down        bool
}

func newSNS(t *testing.T) *sns {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &sns{key: key, certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// RoundTrip answers for https://sns.us-east-1.amazonaws.com.
func (s *sns) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked = append(s.asked, r.URL.String())
	if s.down {
		return nil, errors.New("no answer")
	}
	body := string(s.certificate)
	if !strings.HasSuffix(r.URL.Path, ".pem") {
		body = "<ConfirmSubscriptionResponse/>"
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func (s *sns) sign(t *testing.T, m *snsMessage) {
	t.Helper()
	var signature []byte
	var err error
	if m.SignatureVersion == "1" {
		sum := sha1.Sum([]byte(m.signed())) //nolint:gosec // as SNS does
		signature, err = rsa.SignPKCS1v15(nil, s.key, crypto.SHA1, sum[:])
	} else {
		sum := sha256.Sum256([]byte(m.signed()))
		signature, err = rsa.SignPKCS1v15(nil, s.key, crypto.SHA256, sum[:])
	}
	if err != nil {
		t.Fatal(err)
	}
	m.Signature = base64.StdEncoding.EncodeToString(signature)
}

func snsFixture(t *testing.T, name string) snsMessage {
	t.Helper()
	text, err := os.ReadFile("../testdata/codedeploy/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var m snsMessage
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	m.Timestamp = now.Add(-time.Minute).Format(time.RFC3339Nano)
	return m
}

// TestSNS posts messages that are right and such as an attacker would send.
func TestSNS(t *testing.T) {
	const topic = "arn:aws:sns:us-east-1:123456789012:deploys"
	for _, test := range []struct {
		name, fixture string
		before        func(*snsMessage) // it is signed
		after         func(*snsMessage)
		down          bool
		code          int
		want          string
		confirmed     bool
	}{
		{name: "a deploy", fixture: "sns_trigger.json", code: 202, want: "codedeploy:d-75I7MBT7C"},
		{name: "signed as in version 1", fixture: "sns_trigger.json", before: func(m *snsMessage) { m.SignatureVersion = "1" }, code: 202, want: "codedeploy:d-75I7MBT7C"},
		{name: "without a subject", fixture: "sns_trigger.json", before: func(m *snsMessage) { m.Subject = "" }, code: 202, want: "codedeploy:d-75I7MBT7C"},
		{name: "a subscription", fixture: "sns_confirmation.json", code: 200, want: "is confirmed", confirmed: true},
		{name: "changed", fixture: "sns_trigger.json", after: func(m *snsMessage) { m.Message = strings.Replace(m.Message, "SUCCEEDED", "FAILED", 1) }, code: 401, want: "Signature does not fit"},
		{name: "another topic", fixture: "sns_trigger.json", before: func(m *snsMessage) { m.TopicARN = "arn:aws:sns:us-east-1:666:deploys" }, code: 401, want: "is not listed in hooks.codedeploy.topics"},
		{name: "a subscription of another topic", fixture: "sns_confirmation.json", before: func(m *snsMessage) { m.TopicARN = "arn:aws:sns:us-east-1:666:deploys" }, code: 401, want: "is not listed"},
		{name: "a certificate of one's own", fixture: "sns_trigger.json", before: func(m *snsMessage) { m.SigningCertURL = "https://sns.us-east-1.amazonaws.com.evil.example/x.pem" }, code: 401, want: "is no address of"},
		{name: "a certificate over http", fixture: "sns_trigger.json", before: func(m *snsMessage) { m.SigningCertURL = "http://sns.us-east-1.amazonaws.com/x.pem" }, code: 401, want: "is no address of"},
		{name: "a subscription that leads elsewhere", fixture: "sns_confirmation.json", before: func(m *snsMessage) { m.SubscribeURL = "https://169.254.169.254/latest" }, code: 422, want: "SubscribeURL: "},
		{name: "sent before", fixture: "sns_trigger.json", before: func(m *snsMessage) { m.Timestamp = now.Add(-2 * time.Hour).Format(time.RFC3339) }, code: 401, want: "not of the last hour"},
		{name: "not signed", fixture: "sns_trigger.json", after: func(m *snsMessage) { m.Signature = "" }, code: 401, want: "Signature is missing"},
		{name: "SNS does not answer", fixture: "sns_trigger.json", down: true, code: 401, want: "no answer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			amazon := newSNS(t)
			amazon.down = test.down
			hooks, err := NewHooks(Config{
				Hooks:     map[string]Hook{"codedeploy": {Topics: []string{topic}, Map: []map[string]string{{"application": "*", "version": "deployment_id"}}}},
				Transport: amazon, Now: func() time.Time { return now },
			})
			if err != nil {
				t.Fatal(err)
			}
			k := &kept{}
			h := New(func() Hooks { return hooks }, k, failed, func() time.Time { return now })
			m := snsFixture(t, test.fixture)
			if test.before != nil {
				test.before(&m)
			}
			amazon.sign(t, &m)
			if test.after != nil {
				test.after(&m)
			}
			body, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/hooks/codedeploy", strings.NewReader(string(body))))
			if w.Code != test.code || !strings.Contains(w.Body.String(), test.want) {
				t.Errorf("answered %d %s, want %d %s", w.Code, w.Body, test.code, test.want)
			}
			confirmed := len(amazon.asked) > 0 && strings.Contains(amazon.asked[len(amazon.asked)-1], "ConfirmSubscription")
			if confirmed != test.confirmed {
				t.Errorf("confirmed %v (%q), want %v", confirmed, amazon.asked, test.confirmed)
			}
			for _, address := range amazon.asked {
				if !strings.HasPrefix(address, "https://sns.us-east-1.amazonaws.com/") {
					t.Errorf("asked %s", address)
				}
			}
			if test.code == http.StatusAccepted && len(k.deploys) != 1 || test.code >= 400 && len(k.deploys) != 0 {
				t.Errorf("recorded %+v", k.deploys)
			}
		})
	}
}

// TestCustom reads a home-made tool's JSON by expressions.
func TestCustomFields(t *testing.T) {
	for want, fields := range map[string]map[string]string{
		"fields is missing":                   nil,
		"fields.colour: a deploy has no such": {"colour": "body.x"},
		"fields.service: unexpected end":      {"service": "body."},
		"fields.service: unknown name bodi":   {"service": "bodi.app"},
	} {
		_, err := NewHooks(Config{Hooks: map[string]Hook{"custom": {Header: "X-Key", Secret: "s", Fields: fields}}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	_, _, err := mappedBy("custom", Hook{Header: "X-Key", Secret: "s", Fields: map[string]string{"status": "body.state"}}, verifier.Delivery{ReceivedAt: now, Body: []byte(`{"state":"green"}`)})
	if err == nil || !strings.Contains(err.Error(), `fields.status: gives "green"; let it give started, succeeded or failed`) {
		t.Errorf("got %v", err)
	}
}
