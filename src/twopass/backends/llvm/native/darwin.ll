; Sleeping as Apple's C++ library does it: compare and wait is 1, wake all is 257.

define internal void @sleep_on(ptr %word, i32 %old) nounwind {
  %wide = zext i32 %old to i64
  %result = call i32 @__ulock_wait(i32 1, ptr %word, i64 %wide, i32 0)
  ret void
}

define internal void @wake_all(ptr %word) nounwind {
  %result = call i32 @__ulock_wake(i32 257, ptr %word, i64 0)
  ret void
}

define internal void @give_way() nounwind {
  %result = call i32 @sched_yield()
  ret void
}

declare i32 @__ulock_wait(i32, ptr, i64, i32)
declare i32 @__ulock_wake(i32, ptr, i64)
declare i32 @sched_yield()
