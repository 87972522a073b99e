package verifier

import "context"

// Verb is what a person tells the daemon to do with a verification.
type Verb string

// The verbs, as they stand in the API's paths.
const (
	Approve  Verb = "approve"
	Deny     Verb = "deny"
	Cancel   Verb = "cancel"
	RollBack Verb = "rollback"
	Dismiss  Verb = "dismiss"
)

// Verbs lists every Verb.
var Verbs = []Verb{Approve, Deny, Cancel, RollBack, Dismiss}

// Press is one thing that a person may do with a verification now, with the words of its button.
type Press struct {
	Verb Verb   `json:"verb"`
	Text string `json:"text"`
}

// Order is one person's word.
type Order struct {
	Verb   Verb
	By     string // the token's name; local on loopback without one
	Reason string
	To     string // version, required where there are candidates
	Cause  string // of a dismissed verdict
	Admin  bool   // may cross an irreversible deploy, with a reason
}

// Scopes of tokens.
const (
	ScopeDeploysWrite = "deploys:write"
	ScopeRead         = "read"
	ScopeOperate      = "operate"
	ScopeAdmin        = "admin"
)

// Scopes lists every scope. Admin includes all others, operate includes read.
var Scopes = []string{ScopeDeploysWrite, ScopeRead, ScopeOperate, ScopeAdmin}

// Caller is who sent a request.
type Caller struct {
	Name   string
	Scopes []string
}

type callerKey struct{}

// WithCaller is the context of a request by that caller.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerFrom is who sent the request; the zero Caller when nobody said.
func CallerFrom(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}
