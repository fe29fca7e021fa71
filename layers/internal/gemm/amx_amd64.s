//go:build amd64 && !purego

#include "textflag.h"

// The assembler knows no AMX, so its instructions are bytes: VEX.128.0F38.W0 with
// the tile in the middle of ModRM. Registers are their numbers, all below eight.
#define rAX 0
#define rCX 1
#define rDX 2
#define rBX 3
#define rSI 6
#define rDI 7

#define LDTILECFG_DX BYTE $0xC4; BYTE $0xE2; BYTE $0x78; BYTE $0x49; BYTE $0x02
#define TILERELEASE BYTE $0xC4; BYTE $0xE2; BYTE $0x78; BYTE $0x49; BYTE $0xC0
#define TILEZERO(t) BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x49; BYTE $(0xC0|(t<<3))

// t = rows at base + disp, the register stride apart, and back.
#define TILELOADD(t, base, stride, disp) \
	BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x4B; BYTE $(0x84|(t<<3)); BYTE $((stride<<3)|base); LONG $disp
#define TILESTORED(t, base, stride, disp) \
	BYTE $0xC4; BYTE $0xE2; BYTE $0x7A; BYTE $0x4B; BYTE $(0x84|(t<<3)); BYTE $((stride<<3)|base); LONG $disp

// c += a·b: row m of a is 16 pairs of k, row p of b pair p of 16 columns.
#define TDPBF16PS(c, a, b) \
	BYTE $0xC4; BYTE $0xE2; BYTE $(((15-b)<<3)|2); BYTE $0x5C; BYTE $(0xC0|(c<<3)|a)

// Tiles: 0 to 3 are C, two rows of two; 4 and 5 are A's rows, 6 and 7 B's columns.
// A step of 32 k is 6 KiB of either: three parts of two tiles.
#define LOADA2(part) TILELOADD(4, rSI, rAX, part); TILELOADD(5, rSI, rAX, part+1024)
#define LOADB2(part) TILELOADD(6, rDI, rAX, part); TILELOADD(7, rDI, rAX, part+1024)
#define LOADA1(part) TILELOADD(4, rSI, rAX, part)
#define LOADB1(part) TILELOADD(6, rDI, rAX, part)

// Lines of the next step.
#define ASKA4(at) \
	PREFETCHT0 (6144+at)(SI); PREFETCHT0 (6208+at)(SI); PREFETCHT0 (6272+at)(SI); PREFETCHT0 (6336+at)(SI)
#define ASKB4(at) \
	PREFETCHT0 (6144+at)(DI); PREFETCHT0 (6208+at)(DI); PREFETCHT0 (6272+at)(DI); PREFETCHT0 (6336+at)(DI)
#define ASK4(at) ASKA4(at); ASKB4(at)

#define DOT22(at) \
	TDPBF16PS(0, 4, 6); ASK4(at); TDPBF16PS(1, 4, 7); ASK4(at+256); \
	TDPBF16PS(2, 5, 6); ASK4(at+512); TDPBF16PS(3, 5, 7); ASK4(at+768)
#define DOT21(at) TDPBF16PS(0, 4, 6); TDPBF16PS(2, 5, 6)
#define DOT12(at) TDPBF16PS(0, 4, 6); TDPBF16PS(1, 4, 7)
#define DOT11(at) TDPBF16PS(0, 4, 6)

// The products of parts, small ones first, in an order that loads one operand's
// tiles between one and the next. A's parts lie low, middle, high; B's the other way.
#define STEP(LOADA, LOADB, DOT) \
	LOADA(0); LOADB(0); DOT(0); \
	LOADA(2048); DOT(1024); \
	LOADB(2048); DOT(2048); \
	LOADA(4096); DOT(3072); \
	LOADB(4096); DOT(4096); \
	LOADB(0); DOT(5120)

// The same where B is bfloat16: its high part is all of it.
#define ASKA8(at) ASKA4(at); ASKA4(at+256)
#define DOT22B(at) \
	TDPBF16PS(0, 4, 6); ASKA8(at); TDPBF16PS(1, 4, 7); ASKA8(at+512); \
	TDPBF16PS(2, 5, 6); ASKA8(at+1024); TDPBF16PS(3, 5, 7); ASKA8(at+1536)
#define STEPB(LOADA, LOADB, DOT) \
	LOADA(0); LOADB(0); DOT(0); \
	LOADA(2048); ASKB4(0); ASKB4(256); ASKB4(512); ASKB4(768); DOT(2048); \
	LOADA(4096); ASKB4(1024); ASKB4(1280); ASKB4(1536); ASKB4(1792); DOT(4096)

#define NEXTSTEP(loop) \
	ADDQ $6144, SI; ADDQ $6144, DI; DECQ R10; JNZ loop

// PREFETCHW (R11), then 64(R11): for a line that another core has written to, asking
// to read first would be a second journey.
#define ASKC \
	BYTE $0x41; BYTE $0x0F; BYTE $0x0D; BYTE $0x0B; \
	BYTE $0x41; BYTE $0x0F; BYTE $0x0D; BYTE $0x4B; BYTE $0x40; \
	ADDQ CX, R11
#define ASKC8 ASKC; ASKC; ASKC; ASKC; ASKC; ASKC; ASKC; ASKC

// func tilesAMX(config *[64]byte, kind, tiles, steps int, a *float32, alongA int, b *float32, alongB int, c *float32, ldc, alongC int, next *float32)
TEXT ·tilesAMX(SB), NOSPLIT, $0-96
	MOVQ config+0(FP), DX
	LDTILECFG_DX
	MOVQ tiles+16(FP), R8
	MOVQ steps+24(FP), R9
	MOVQ a+32(FP), R12
	MOVQ b+48(FP), R14
	MOVQ c+64(FP), DX
	MOVQ ldc+72(FP), CX
	MOVQ next+88(FP), R13
	MOVQ $64, AX

tile:
	MOVQ R12, SI
	MOVQ R14, DI
	MOVQ CX, BX
	SHLQ $4, BX
	ADDQ DX, BX                // C's row 16
	MOVQ DX, R11
	CMPQ R8, $1
	JEQ  last                  // what follows may be another core's
	ADDQ alongC+80(FP), R11    // the next tile
last:
	MOVQ R9, R10
	MOVQ kind+8(FP), R15
	BTQ  $2, R15
	JCS  add
	TILEZERO(0)
	TESTQ $1, R15
	JZ   zero2
	TILEZERO(1)
zero2:
	TESTQ $2, R15
	JZ   choose
	TILEZERO(2)
	TESTQ $1, R15
	JZ   choose
	TILEZERO(3)
	JMP  choose
add:
	TILELOADD(0, rDX, rCX, 0)
	TESTQ $1, R15
	JZ   add2
	TILELOADD(1, rDX, rCX, 64)
add2:
	TESTQ $2, R15
	JZ   choose
	TILELOADD(2, rBX, rCX, 0)
	TESTQ $1, R15
	JZ   choose
	TILELOADD(3, rBX, rCX, 64)
choose:
	BTQ  $3, R15
	JCS  half
	ANDQ $3, R15
	JZ   loop11
	CMPQ R15, $2
	JLT  loop12
	JEQ  loop21

loop22:
	CMPQ R10, $4
	JGT  asked
	ASKC8
asked:
	PREFETCHT1 (R13)
	PREFETCHT1 64(R13)
	PREFETCHT1 128(R13)
	PREFETCHT1 192(R13)
	PREFETCHT1 256(R13)
	PREFETCHT1 320(R13)
	PREFETCHT1 384(R13)
	PREFETCHT1 448(R13)
	PREFETCHT1 512(R13)
	PREFETCHT1 576(R13)
	PREFETCHT1 640(R13)
	PREFETCHT1 704(R13)
	ADDQ $768, R13
	STEP(LOADA2, LOADB2, DOT22)
	NEXTSTEP(loop22)
store22:
	TILESTORED(3, rBX, rCX, 64)
	TILESTORED(2, rBX, rCX, 0)
	TILESTORED(1, rDX, rCX, 64)
	JMP stored

loop21:
	STEP(LOADA2, LOADB1, DOT21)
	NEXTSTEP(loop21)
store21:
	TILESTORED(2, rBX, rCX, 0)
	JMP stored

loop12:
	STEP(LOADA1, LOADB2, DOT12)
	NEXTSTEP(loop12)
store12:
	TILESTORED(1, rDX, rCX, 64)
	JMP stored

loop11:
	STEP(LOADA1, LOADB1, DOT11)
	NEXTSTEP(loop11)
	JMP stored

half:
	ANDQ $3, R15
	JZ   half11
	CMPQ R15, $2
	JLT  half12
	JEQ  half21
half22:
	CMPQ R10, $4
	JGT  asked22
	ASKC8
asked22:
	STEPB(LOADA2, LOADB2, DOT22B)
	NEXTSTEP(half22)
	JMP store22
half21:
	STEPB(LOADA2, LOADB1, DOT21)
	NEXTSTEP(half21)
	JMP store21
half12:
	STEPB(LOADA1, LOADB2, DOT12)
	NEXTSTEP(half12)
	JMP store12
half11:
	STEPB(LOADA1, LOADB1, DOT11)
	NEXTSTEP(half11)

stored:
	TILESTORED(0, rDX, rCX, 0)
	ADDQ alongA+40(FP), R12
	ADDQ alongB+56(FP), R14
	ADDQ alongC+80(FP), DX
	DECQ R8
	JNZ  tile
	TILERELEASE
	RET

// func peakAMX(config *[64]byte, turns int)
TEXT ·peakAMX(SB), NOSPLIT, $0-16
	MOVQ config+0(FP), DX
	LDTILECFG_DX
	MOVQ turns+8(FP), R10
turn:
	TDPBF16PS(0, 4, 6)
	TDPBF16PS(1, 4, 7)
	TDPBF16PS(2, 5, 6)
	TDPBF16PS(3, 5, 7)
	DECQ R10
	JNZ  turn
	TILERELEASE
	RET
