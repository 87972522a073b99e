package verifier

import "time"

// RollbackCall is the payload of a rollback action, and the body of a rollback webhook.
type RollbackCall struct {
	Type         string    `json:"type"` // rollback
	ID           string    `json:"id"`   // the action's key
	Verification string    `json:"verification"`
	Service      string    `json:"service"`
	Environment  string    `json:"environment"`
	Target       string    `json:"target"`
	From         string    `json:"from"`
	To           string    `json:"to"`
	Reason       string    `json:"reason"`
	By           string    `json:"by"` // auto, or the person
	At           time.Time `json:"at"`
	URL          string    `json:"url"`
	Deploy       Deploy    `json:"deploy"` // the one that failed

	Names map[string]string `json:"-"` // what tools call the service
}

// ServiceAs is what a tool calls the service.
func (c RollbackCall) ServiceAs(tool string) string {
	if name := c.Names[tool]; name != "" {
		return name
	}
	return c.Service
}

// RollbackOrder is the payload of a rollback action: the call, and the way of making it by its name in the configuration.
type RollbackOrder struct {
	By    string            `json:"by"`
	Call  RollbackCall      `json:"call"`
	Names map[string]string `json:"names,omitempty"` // of the catalogue: what tools call the service
}
