package verifier

import "time"

// MarkedState is the moment of a sink's order that tells of a person's mark, which changes no state.
const MarkedState State = "marked"

// SinkOrder is the payload of a sink action: what is written where. State is the moment that it tells of: a verdict, Waiting,
// when the deploy was live and its watch began, or MarkedState. The verification is as it was then, so that every try writes the same.
type SinkOrder struct {
	Sink         string       `json:"sink"` // its name in the configuration
	State        State        `json:"state"`
	Service      string       `json:"service"` // as the sink calls it
	At           time.Time    `json:"at"`
	URL          string       `json:"url"` // of the verification's page
	Verification Verification `json:"verification"`
}

// OwnStatus begins the descriptions of the deployment statuses that verifier writes itself, so that its hook knows them again.
const OwnStatus = "verifier: "

// OwnEvents begins the source of the CDEvents that verifier sends, so that its hook knows them again.
const OwnEvents = "urn:verifier"
