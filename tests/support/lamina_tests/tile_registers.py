"""AMX's tile registers as a table in memory, and its instructions as functions, for machines that have none."""

from __future__ import annotations

import re

# Eight tiles of sixteen rows of 64 bytes. After Intel's manual, volume 2, the operations of TILELOADD, TILESTORED,
# TILEZERO and TDPBF16PS: the products of the first elements of all pairs are summed by themselves, and those of the
# second, before both are added to a sum.
_FUNCTIONS = """
@tiles = internal global [8192 x i8] zeroinitializer, align 64

define internal void @emulated.ldtilecfg(ptr %config) nounwind noinline {
  %palette = load i8, ptr %config
  %right = icmp eq i8 %palette, 1
  br i1 %right, label %known, label %unknown
unknown:
  call void @llvm.trap()
  unreachable
known:
  ret void
}

define internal void @emulated.tilerelease() nounwind noinline {
  call void @llvm.memset.p0.i64(ptr @tiles, i8 -1, i64 8192, i1 false)
  ret void
}

define internal ptr @emulated.row(i8 %tile, i64 %row) nounwind noinline {
  %wide = zext i8 %tile to i64
  %first = mul i64 %wide, 1024
  %before = mul i64 %row, 64
  %offset = add i64 %first, %before
  %place = getelementptr i8, ptr @tiles, i64 %offset
  ret ptr %place
}

define internal void @emulated.tilezero(i8 %tile) nounwind noinline {
  %place = call ptr @emulated.row(i8 %tile, i64 0)
  call void @llvm.memset.p0.i64(ptr %place, i8 0, i64 1024, i1 false)
  ret void
}

define internal void @emulated.tileloadd64(i8 %tile, ptr %from, i64 %apart) nounwind noinline {
entry:
  br label %each
each:
  %row = phi i64 [ 0, %entry ], [ %next, %each ]
  %place = call ptr @emulated.row(i8 %tile, i64 %row)
  %offset = mul i64 %row, %apart
  %there = getelementptr i8, ptr %from, i64 %offset
  %line = load <16 x i32>, ptr %there, align 1
  store <16 x i32> %line, ptr %place, align 1
  %next = add i64 %row, 1
  %more = icmp ult i64 %next, 16
  br i1 %more, label %each, label %end
end:
  ret void
}

define internal void @emulated.tilestored64(i8 %tile, ptr %into, i64 %apart) nounwind noinline {
entry:
  br label %each
each:
  %row = phi i64 [ 0, %entry ], [ %next, %each ]
  %place = call ptr @emulated.row(i8 %tile, i64 %row)
  %offset = mul i64 %row, %apart
  %there = getelementptr i8, ptr %into, i64 %offset
  %line = load <16 x i32>, ptr %place, align 1
  store <16 x i32> %line, ptr %there, align 1
  %next = add i64 %row, 1
  %more = icmp ult i64 %next, 16
  br i1 %more, label %each, label %end
end:
  ret void
}

define internal void @emulated.tdpbf16ps(i8 %into, i8 %a, i8 %b) nounwind noinline {
entry:
  br label %rows
rows:
  %row = phi i64 [ 0, %entry ], [ %row.next, %added ]
  %sums.at = call ptr @emulated.row(i8 %into, i64 %row)
  %left.at = call ptr @emulated.row(i8 %a, i64 %row)
  br label %cells
cells:
  %cell = phi i64 [ 0, %rows ], [ %cell.next, %cells ]
  %first = phi <16 x float> [ zeroinitializer, %rows ], [ %first.next, %cells ]
  %second = phi <16 x float> [ zeroinitializer, %rows ], [ %second.next, %cells ]
  %pair.at = getelementptr i32, ptr %left.at, i64 %cell
  %pair = load i32, ptr %pair.at
  %one = insertelement <16 x i32> poison, i32 %pair, i32 0
  %pairs = shufflevector <16 x i32> %one, <16 x i32> %one, <16 x i32> zeroinitializer
  %right.at = call ptr @emulated.row(i8 %b, i64 %cell)
  %right = load <16 x i32>, ptr %right.at
  %a0.bits = shl <16 x i32> %pairs, splat (i32 16)
  %a1.bits = and <16 x i32> %pairs, splat (i32 -65536)
  %b0.bits = shl <16 x i32> %right, splat (i32 16)
  %b1.bits = and <16 x i32> %right, splat (i32 -65536)
  %a0 = bitcast <16 x i32> %a0.bits to <16 x float>
  %a1 = bitcast <16 x i32> %a1.bits to <16 x float>
  %b0 = bitcast <16 x i32> %b0.bits to <16 x float>
  %b1 = bitcast <16 x i32> %b1.bits to <16 x float>
  %first.next = call <16 x float> @llvm.fma.v16f32(<16 x float> %a0, <16 x float> %b0, <16 x float> %first)
  %second.next = call <16 x float> @llvm.fma.v16f32(<16 x float> %a1, <16 x float> %b1, <16 x float> %second)
  %cell.next = add i64 %cell, 1
  %cell.more = icmp ult i64 %cell.next, 16
  br i1 %cell.more, label %cells, label %added
added:
  %both = fadd <16 x float> %first.next, %second.next
  %sums = load <16 x float>, ptr %sums.at
  %sums.next = fadd <16 x float> %sums, %both
  store <16 x float> %sums.next, ptr %sums.at
  %row.next = add i64 %row, 1
  %row.more = icmp ult i64 %row.next, 16
  br i1 %row.more, label %rows, label %end
end:
  ret void
}

declare void @llvm.trap()
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
"""
_FMA = "declare <16 x float> @llvm.fma.v16f32(<16 x float>, <16 x float>, <16 x float>)"
_INSTRUCTIONS = "ldtilecfg|tilerelease|tilezero|tileloadd64|tilestored64|tdpbf16ps"


def emulated(ir: str) -> str:
    """Return a module with the instructions of tile registers replaced by functions that do the same."""
    without = re.sub(rf"^declare .*@llvm\.x86\.(?:{_INSTRUCTIONS})\(.*\n", "", ir, flags=re.MULTILINE)
    called = re.sub(rf"@llvm\.x86\.({_INSTRUCTIONS})\(", r"@emulated.\1(", without)
    return "\n".join([called, _FUNCTIONS, "" if _FMA in called else _FMA, ""])
