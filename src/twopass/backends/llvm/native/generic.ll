; The mode of arithmetic is left as it is.

define internal i64 @mode() nounwind {
  ret i64 0
}

define internal void @set_mode(i64 %mode) nounwind {
  ret void
}

define internal void @pause() nounwind {
  ret void
}
