package intake

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // SNS' signature version 1 is SHA1withRSA
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"verifier"
	"verifier/outbound"
)

// snsMessage is what Amazon SNS posts, as text/plain.
type snsMessage struct {
	Type             string `json:"Type"`
	MessageID        string `json:"MessageId"`
	Token            string `json:"Token"`
	TopicARN         string `json:"TopicArn"`
	Subject          string `json:"Subject"`
	Message          string `json:"Message"`
	SubscribeURL     string `json:"SubscribeURL"`
	Timestamp        string `json:"Timestamp"`
	SignatureVersion string `json:"SignatureVersion"`
	Signature        string `json:"Signature"`
	SigningCertURL   string `json:"SigningCertURL"`
}

// snsHost is who signs and confirms: nobody else is asked for anything.
var snsHost = regexp.MustCompile(`^sns\.[a-z0-9-]+\.amazonaws\.com(\.cn)?$`)

// snsOld is how old a message may be. SNS tries for a quarter of an hour; a message that is sent again later is somebody else's doing.
const snsOld = time.Hour

// checkSNS holds a message against its signature, by the certificate of SNS' own host, and its topic against those listed.
func checkSNS(h *hook, r *http.Request, body []byte) error {
	refused := func(format string, args ...any) error {
		return &Error{http.StatusUnauthorized, fmt.Sprintf(format, args...)}
	}
	var m snsMessage
	if err := json.Unmarshal(body, &m); err != nil {
		return refused("it is no message of SNS: %v", err)
	}
	if !slices.Contains(h.Topics, m.TopicARN) {
		return refused("the topic %.120q is not listed in hooks.%s.topics", m.TopicARN, h.name)
	}
	at, err := time.Parse(time.RFC3339Nano, m.Timestamp)
	if now := h.now(); err != nil || now.Sub(at) > snsOld || at.Sub(now) > ahead {
		return refused("its Timestamp %.40q is not of the last hour; is it a message that was sent before?", m.Timestamp)
	}
	signature, err := base64.StdEncoding.DecodeString(m.Signature)
	if err != nil || len(signature) == 0 {
		return refused("its Signature is missing, or no base64")
	}
	certificate, err := h.certificates.get(r.Context(), m.SigningCertURL, h.now())
	if err != nil {
		return refused("its SigningCertURL: %v", err)
	}
	key, ok := certificate.PublicKey.(*rsa.PublicKey)
	if !ok {
		return refused("its SigningCertURL leads to a key that is no RSA key")
	}
	if err := m.verify(key, signature); err != nil {
		return refused("its Signature does not fit: %v", err)
	}
	return nil
}

// verify holds the signature against the text that SNS signs
// (https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html).
func (m *snsMessage) verify(key *rsa.PublicKey, signature []byte) error {
	text := []byte(m.signed())
	switch m.SignatureVersion {
	case "1":
		sum := sha1.Sum(text) //nolint:gosec // see above
		return rsa.VerifyPKCS1v15(key, crypto.SHA1, sum[:], signature)
	case "2":
		sum := sha256.Sum256(text)
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature)
	}
	return fmt.Errorf("SignatureVersion %.10q is neither 1 nor 2", m.SignatureVersion)
}

func (m *snsMessage) signed() string {
	pairs := []string{"Message", m.Message, "MessageId", m.MessageID}
	if m.Type == "Notification" {
		if m.Subject != "" {
			pairs = append(pairs, "Subject", m.Subject)
		}
	} else {
		pairs = append(pairs, "SubscribeURL", m.SubscribeURL)
	}
	pairs = append(pairs, "Timestamp", m.Timestamp)
	if m.Type != "Notification" {
		pairs = append(pairs, "Token", m.Token)
	}
	return strings.Join(append(pairs, "TopicArn", m.TopicARN, "Type", m.Type), "\n") + "\n"
}

// confirmSNS takes the subscription to a listed topic that was asked for: its signature was checked before.
func confirmSNS(ctx context.Context, h *hook, in verifier.Delivery) (said string, _ error) {
	var m snsMessage
	if json.Unmarshal(in.Body, &m) != nil || m.Type != "SubscriptionConfirmation" || len(h.Topics) == 0 {
		return "", nil
	}
	if err := snsAddress(m.SubscribeURL, ""); err != nil {
		return "", verifier.Invalid("SubscribeURL", "%v", err)
	}
	if _, err := fetch(ctx, h.client, m.SubscribeURL); err != nil {
		return "", &Error{http.StatusBadGateway, fmt.Sprintf("the subscription to %s could not be confirmed: %v", m.TopicARN, err)}
	}
	return "the subscription to " + m.TopicARN + " is confirmed", nil
}

// snsAddress reports why an address is not one of SNS.
func snsAddress(text, suffix string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || !snsHost.MatchString(u.Host) || u.User != nil || !strings.HasSuffix(u.Path, suffix) {
		return fmt.Errorf("%.120q is no address of https://sns.REGION.amazonaws.com", text)
	}
	return nil
}

func fetch(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, outbound.Redact(err)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, outbound.Redact(err)
	}
	defer response.Body.Close()
	if err := outbound.Status(response); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(response.Body, 64<<10))
}

// certificates are those that were fetched, by address.
type certificates struct {
	client *http.Client
	mu     sync.Mutex
	known  map[string]*x509.Certificate
}

// maxCertificates is how many are kept: SNS has one for each region, and a new one now and then.
const maxCertificates = 100

func (c *certificates) get(ctx context.Context, address string, now time.Time) (*x509.Certificate, error) {
	if err := snsAddress(address, ".pem"); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.known[address]; known != nil && now.Before(known.NotAfter) {
		return known, nil
	}
	text, err := fetch(ctx, c.client, address)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("no certificate is at %s", address)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the certificate at %s: %w", address, err)
	case now.Before(certificate.NotBefore) || now.After(certificate.NotAfter):
		return nil, fmt.Errorf("the certificate at %s is not valid now", address)
	}
	if len(c.known) >= maxCertificates {
		clear(c.known)
	}
	c.known[address] = certificate
	return certificate, nil
}
