package stats

import "math"

// multiples are how many times the null's odds the alternatives have; each gets the same stake.
var multiples = [...]float64{1.2, 1.5, 2, 3.5, 8, 30}

var logMultiples = func() (logs [len(multiples)]float64) {
	for i, m := range multiples {
		logs[i] = math.Log(m)
	}
	return logs
}()

// Bet is evidence, gathered step by step, that a probability is above the one a null hypothesis allows (or below it).
// Half of the stake is on a change from the start, the rest on a change at any later step, so that late ones are found too.
type Bet struct {
	below   bool
	wealth  [len(multiples)]float64
	reserve float64
	stake   float64 // of the reserve, put down at each step
}

// BetAbove bets on a probability above the null's, over so many steps.
func BetAbove(steps int) Bet {
	b := Bet{reserve: 0.5, stake: 0.5 / float64(max(steps, 1))}
	for i := range b.wealth {
		b.wealth[i] = 0.5
	}
	return b
}

// BetBelow bets on a probability below the null's, over so many steps.
func BetBelow(steps int) Bet {
	b := BetAbove(steps)
	b.below = true
	return b
}

// Take takes a step of n trials with x successes, where the null allows the probability p. weight is 1, or less for counts that
// come in bursts.
func (b *Bet) Take(x, n, p, weight float64) {
	stake := min(b.stake, b.reserve)
	b.reserve -= stake
	for i, m := range multiples {
		gain := logMultiples[i]
		if b.below {
			m, gain = 1/m, -gain
		}
		gain = weight * (x*gain - n*math.Log(1+(m-1)*p))
		b.wealth[i] = min((b.wealth[i]+stake)*math.Exp(gain), 1e300)
	}
}

// Evidence is the evidence now: its mean is 1 at most while the null is true.
func (b *Bet) Evidence() float64 { return b.reserve + Sum(b.wealth[:])/float64(len(b.wealth)) }
