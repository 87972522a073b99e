package intake

import (
	"strings"
	"testing"

	"verifier"
)

// TestSaltPillarIsNotTold: why something does not map goes to logs and people, and a pillar may hold secrets.
func TestSaltPillarIsNotTold(t *testing.T) {
	body := `{"jid":"20261125091912114704","fun":"state.apply","minions":["web1"],"arg":[{"mods":"db","pillar":{"password":"hush"}}]}`
	_, why, err := mapped("salt", verifier.Delivery{Body: []byte(body), ReceivedAt: now})
	if err != nil || !strings.Contains(why, `pillar.password: "…", sls: "db"`) || strings.Contains(why, "hush") {
		t.Errorf("said %q, %v", why, err)
	}
}
