// Package floats turns the floating-point elements of files, little-endian, into
// numbers in memory and back, for every file format of the packages above.
//
// There is one type here, [Format]: how a file stores an element. [Decode] widens
// exactly, or rounds once where the memory is narrower; [Encode] rounds to
// nearest, ties to even, once, also from float64 to sixteen bits.
//
//	floats.Encode(file, []float32{1, 0.1}, floats.BF16)  // 80 3f cd 3d
//	floats.Decode(back, file, floats.BF16)               // 1, 0.100097656
//
// It knows no file, name or shape, and checks nothing but lengths.
package floats
