package stats_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"verifier/stats"
)

// week is seven days of minutes with a habit of the day, hourly spikes and noise that is like its neighbours.
func week(random *rand.Rand, n int) []float64 {
	out, noise := make([]float64, n), 0.0
	for i := range out {
		noise = 0.8*noise + random.NormFloat64()
		out[i] = 100 + 30*math.Sin(2*math.Pi*float64(i)/1440) + noise
		if i%60 == 17 {
			out[i] += 40
		}
	}
	return out
}

// A series that goes on as it was is left alone, and one that changes by three times its noise is found within minutes.
func TestPlacebo(t *testing.T) {
	const minutes, watch, runs = 7 * 1440, 112, 200
	random := rand.New(rand.NewPCG(1, 2))
	alarms, found := 0, 0
	for range runs {
		all := week(random, minutes+watch)
		same, changed := stats.NewPlacebo(all[:minutes], 1440, watch), stats.NewPlacebo(all[:minutes], 1440, watch)
		alarm, hit := false, false
		for i, x := range all[minutes:] {
			alarm = alarm || same.Take(x, 0) > 0
			hit = hit || i < 15 && changed.Take(x+15, 0) > 0
		}
		if alarm {
			alarms++
		}
		if hit {
			found++
		}
	}
	if alarms > runs/50 {
		t.Errorf("%d of %d unchanged series raised an alarm, want at most 2 %%", alarms, runs)
	}
	if found < runs*9/10 {
		t.Errorf("%d of %d changes were found within 15 minutes, want 90 %%", found, runs)
	}
}

// A past that is too short is no judge, and one that never moves answers too.
func TestPlaceboOfLittle(t *testing.T) {
	if stats.NewPlacebo(make([]float64, 90), 0, 20) != nil {
		t.Error("judges by a past in which few changes would fit")
	}
	flat := stats.NewPlacebo(make([]float64, 400), 288, 20)
	if flat.Take(0, 0) > 0 {
		t.Error("what never moved and does not move is worse")
	}
	if flat.Take(1, 2) > 0 {
		t.Error("a rise inside what is tolerated is worse")
	}
	if flat.Take(9, 2) != 1 {
		t.Error("a rise of what never moved, beyond what is tolerated, is not worse")
	}
}

func BenchmarkPlacebo(b *testing.B) {
	all := week(rand.New(rand.NewPCG(3, 4)), 7*1440+112)
	for b.Loop() {
		p := stats.NewPlacebo(all[:7*1440], 1440, 112)
		for _, x := range all[7*1440:] {
			p.Take(x, 0)
		}
	}
}
