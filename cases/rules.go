package cases

import (
	"time"

	"verifier"
)

// SourceName is what the source of a case's samples is called in rules.
const SourceName = "cases"

// What holds where nobody wrote rules. The whole verdict's error rate is shared by all series; of traffic only its end is a fault.
const (
	errorRate      = 0.01
	trafficShare   = 0.1
	settle         = time.Minute
	tolerateCounts = 0.05
	tolerateValues = 0.1
	leastShare     = 0.0005 // half an event in a thousand
	leastCount     = 0.2    // of a step, where nobody knows among what
	lostTraffic    = 0.95
)

// Rules is one rule for each series, for whoever has written none. Traffic that the old version shares tells nothing by itself: how
// much of it a new version gets is decided elsewhere.
func (c Case) Rules() []verifier.Rule {
	var out []verifier.Rule
	judged, traffic := 0, 0
	for _, s := range c.Series {
		switch {
		case !s.Traffic():
			judged++
		case len(s.Control) == 0:
			traffic++
		}
	}
	left := errorRate
	if traffic > 0 && judged > 0 {
		left *= 1 - trafficShare
	}
	for _, s := range c.Series {
		r := c.rule(s)
		switch {
		case !s.Traffic():
			r.Confidence = 1 - left/float64(judged)
		case len(s.Control) > 0:
			continue
		default:
			r.Confidence = 1 - errorRate*trafficShare/float64(traffic)
			r.OnNoData = verifier.NoDataFail
			r.Compare.With, r.Compare.Worse = []verifier.Arm{verifier.ArmBefore}, verifier.Lower
			r.Compare.Tolerate, r.Compare.AtLeast = lostTraffic, 0
		}
		out = append(out, r)
	}
	return out
}

// Under is rules for the case's deploy in the case's own steps, to the end of its watch.
func (c Case) Under(rules func(verifier.Deploy) ([]verifier.Rule, string)) func(verifier.Deploy) ([]verifier.Rule, string) {
	return func(d verifier.Deploy) ([]verifier.Rule, string) {
		list, hash := rules(d)
		for i := range list {
			list[i].Every, list[i].Watch = c.Step, c.Until.Sub(c.DeployedAt)
		}
		return list, hash
	}
}

func (c Case) rule(s Series) verifier.Rule {
	r := verifier.Rule{
		Name: s.Name, Where: "default", OnFail: verifier.FailRollback, Severity: verifier.SeverityPage, OnNoData: verifier.NoDataInconclusive,
		Settle: max(settle, c.Step), Watch: c.Until.Sub(c.DeployedAt), Every: c.Step,
		Measure: s.Measure(),
		Compare: &verifier.Compare{
			With: []verifier.Arm{verifier.ArmBefore, verifier.ArmPeers}, Over: c.DeployedAt.Sub(c.Before()) + c.Step,
			Worse: s.Worse, Tolerate: tolerateCounts,
		},
	}
	switch {
	case r.Measure.Ratio != nil:
		r.Compare.AtLeast = leastShare
	case r.Measure.Count != "":
		r.Compare.AtLeast = leastCount
	default:
		r.Compare.Tolerate = tolerateValues
	}
	return r
}

// Measure is how a rule asks for the series: by its name.
func (s Series) Measure() verifier.Measure {
	m := verifier.Measure{Source: SourceName, Unit: s.Unit}
	switch {
	case s.Kind == Ratio, s.Kind == Count && s.exposed():
		m.Ratio = &verifier.Ratio{Of: s.Name, To: "all"}
	case s.Kind == Count:
		m.Count = s.Name
	default:
		m.Query = s.Name
	}
	if m.Unit == "1" && m.Ratio == nil {
		m.Unit = ""
	}
	return m
}

func (s Series) exposed() bool {
	for _, list := range [][]verifier.Sample{s.Deployed, s.Control} {
		for _, x := range list {
			if x.Exposure > 0 {
				return true
			}
		}
	}
	return false
}
