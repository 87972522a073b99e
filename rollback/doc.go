// Package rollback calls for a rollback, one file for each way of doing it: a signed webhook and a command.
//
// Whether to roll back was decided before; here is only the call. It goes out with the action's key, which stays the same through
// retries, so that a deploy tool which remembers keys does it once. An answer is one of three: taken, to be tried again (a
// TemporaryError), or refused (any other error), which is the end of it.
package rollback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"verifier"
)

// Config is one way of rolling back; exactly one key is set.
type Config struct {
	Webhook *WebhookConfig `yaml:"webhook"`
	Command *CommandConfig `yaml:"command"`
}

// Way is one way of calling for a rollback. message is what the other side said, for the record.
type Way interface {
	Call(ctx context.Context, c verifier.RollbackCall) (message string, err error)
}

// New makes the way; it calls nobody.
func New(c Config, rt http.RoundTripper) (Way, error) {
	switch {
	case c.Webhook != nil && c.Command != nil:
		return nil, errors.New("webhook and command are both given; keep one")
	case c.Webhook != nil:
		return newWebhook(*c.Webhook, rt)
	case c.Command != nil:
		return newCommand(*c.Command)
	}
	return nil, errors.New("neither webhook nor command is given; write one")
}

// Caller performs rollback actions.
type Caller struct {
	ways func(name string) (Way, bool)
}

// NewCaller makes a Caller; ways gives the ways that are configured now.
func NewCaller(ways func(name string) (Way, bool)) *Caller { return &Caller{ways} }

// Perform calls by the way that stood in the configuration when the rollback was decided, or not at all.
func (c *Caller) Perform(ctx context.Context, a verifier.Action) (verifier.Performed, error) {
	var order verifier.RollbackOrder
	if err := json.Unmarshal(a.Payload, &order); err != nil {
		return verifier.Performed{}, fmt.Errorf("read the rollback's order: %w", err)
	}
	if order.By == "" {
		return verifier.Performed{}, fmt.Errorf("no way of rolling back %s is configured; write rollback.by for it", order.Call.Service)
	}
	way, ok := c.ways(order.By)
	if !ok {
		return verifier.Performed{}, fmt.Errorf("the way of rolling back %s is no longer in the configuration", order.Call.Service)
	}
	message, err := way.Call(ctx, order.Call)
	return verifier.Performed{Message: message}, err
}
