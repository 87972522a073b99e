// Package web is the HTTP API and the console.
//
// Every request goes the same way: server.go sets the headers and refuses what other sites send, auth.go says who is calling and what
// they may, api.go holds the routes and answers in JSON, events.go streams a verification while it changes, console.go writes the pages
// for people. Errors are problem+json (problem.go) and name every bad field; openapi.json describes it all. A GET changes nothing. What
// the daemon decides is not here: orders go to the function it gave.
package web

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"verifier"
	"verifier/report"
)

// Record is what the API reads and writes of the store.
type Record interface {
	Deploy(ctx context.Context, id string) (verifier.Deploy, error)
	Deploys(ctx context.Context, f verifier.DeployFilter) ([]verifier.Deploy, string, error)
	Verification(ctx context.Context, id string) (verifier.Verification, error)
	Verifications(ctx context.Context, f verifier.VerificationFilter) ([]verifier.Verification, string, error)
	Targets(ctx context.Context, service, environment string) ([]string, error)
	Watches(ctx context.Context, deploys []string) (map[string]verifier.Verification, error)
	Incident(ctx context.Context, id string) (verifier.Incident, error)
	Incidents(ctx context.Context, f verifier.IncidentFilter) ([]verifier.Incident, string, error)
	Deliveries(ctx context.Context, f verifier.DeliveryFilter) ([]verifier.Delivery, string, error)
	Holds(ctx context.Context, now time.Time, all bool) ([]verifier.Hold, error)
	PutHold(ctx context.Context, h verifier.Hold) error
	EndHold(ctx context.Context, id, by string, now time.Time) error
	Noise(ctx context.Context) ([]verifier.Noise, error)
	PutNoise(ctx context.Context, n verifier.Noise) error
	RemoveNoise(ctx context.Context, id, by string, now time.Time) error
	MarkDeploy(ctx context.Context, id string, m verifier.Mark) error
	Token(ctx context.Context, hash []byte) (verifier.Token, error)
	TokenUsed(hash []byte, token verifier.Token, at time.Time)
	Audit(ctx context.Context, subject string, limit int) ([]verifier.Audit, error)
	Subscribe() (<-chan struct{}, func())
}

// Config is what the daemon gives.
type Config struct {
	URL       string                          // of the console, without a slash at its end
	Loopback  bool                            // it listens on loopback alone; without Local, callers on this machine need no token then
	Local     func(ctx context.Context) Local // what callers on this machine may do without a token; nil: everything where Loopback
	Zone      *time.Location
	Now       func() time.Time
	Log       *slog.Logger
	Version   string
	Intake    http.Handler // POST /v1/deploys and /v1/hooks/{tool}
	Metrics   http.Handler
	Presses   func(ctx context.Context, v verifier.Verification, admin bool) ([]verifier.Press, error) // what a person may do now; nil: nothing
	Order     func(ctx context.Context, id string, o verifier.Order) (verifier.Verification, error)
	Gate      func(ctx context.Context, place verifier.Place, version string) (verifier.GateAnswer, error)
	Known     func(ctx context.Context, environment string) error                                                  // nil, or why nobody knows it; nil func: all are known
	Scope     func(ctx context.Context, h *verifier.Hold) error                                                    // writes a hold's names as they are recorded, or says which are unknown; may be nil
	Override  func(ctx context.Context, place verifier.Place, version, reason string) (verifier.GateAnswer, error) // of the gate
	Results   func(ctx context.Context, verification, name string, body []byte) (verifier.Verification, error)     // of tests
	Held      func(ctx context.Context)                                                                            // a hold was put
	Template  func(message string) string                                                                          // the pattern that a message, or a pattern, is of
	Report    func(ctx context.Context, month, by string) (report.Report, error)
	Costs     func(ctx context.Context) (any, error) // what each rule asks in a day
	Explain   func(ctx context.Context, service, environment, target string, at time.Time) (any, error)
	AlertTest func(ctx context.Context, receiver, by string) error
	Ready     func(ctx context.Context) error
	Status    func(ctx context.Context) any
	Banner    func() string // said on top of every page
}
