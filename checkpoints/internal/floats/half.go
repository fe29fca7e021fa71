package floats

import "math"

// halfToFloat widens an IEEE 754 binary16, exactly.
func halfToFloat(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exp := uint32(h>>10) & 0x1f
	frac := uint32(h & 0x3ff)
	switch exp {
	case 0: // zero or subnormal: frac·2⁻²⁴
		v := math.Float32bits(float32(frac) * 0x1p-24)
		return math.Float32frombits(sign | v)
	case 0x1f: // infinity or NaN, payload kept
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// floatToHalf rounds to the nearest binary16, ties to even. Beyond 65520 it is
// infinite, as the rounding rule says.
func floatToHalf(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b>>16) & 0x8000
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000: // NaN: quiet, with the top of its payload
		return sign | 0x7e00 | uint16(b>>13)&0x3ff
	case b >= 0x47800000: // 2¹⁶ and up
		return sign | 0x7c00
	case b < 0x38800000: // below 2⁻¹⁴: subnormal, in units of 2⁻²⁴
		// Adding 0.5 puts the unit at the last bit of the sum, so that the
		// addition itself rounds to even.
		s := math.Float32frombits(b) + 0.5
		return sign | uint16(math.Float32bits(s)-0x3f000000)
	}
	b += 0xfff + b>>13&1 // half a unit, less one when the result would be even
	return sign | uint16(b>>13-112<<10)
}

// brainToFloat widens a bfloat16, exactly.
func brainToFloat(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// floatToBrain rounds to the nearest bfloat16, ties to even.
func floatToBrain(f float32) uint16 {
	b := math.Float32bits(f)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40 // quiet, or the payload could round to infinity
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// toOdd rounds to float32 so that a second rounding to a narrower type gives
// what one rounding from float64 would: an inexact result has its last bit set
// (Boldo & Melquiond 2008).
func toOdd(v float64) float32 {
	f := float32(v)
	b := math.Float32bits(f)
	if float64(f) == v || v != v || b&1 == 1 {
		return f
	}
	if math.Abs(float64(f)) < math.Abs(v) {
		b++
	} else {
		b--
	}
	return math.Float32frombits(b)
}
