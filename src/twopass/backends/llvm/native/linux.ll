; Sleeping with futexes (private ones: 128): wait is 0, wake is 1.

define internal void @sleep_on(ptr %word, i32 %old) nounwind {
  %result = call i64 (i64, ...) @syscall(i64 $FUTEX, ptr %word, i32 128, i32 %old, ptr null)
  ret void
}

define internal void @wake_all(ptr %word) nounwind {
  %result = call i64 (i64, ...) @syscall(i64 $FUTEX, ptr %word, i32 129, i32 2147483647)
  ret void
}

define internal void @give_way() nounwind {
  %result = call i32 @sched_yield()
  ret void
}

declare i64 @syscall(i64, ...)
declare i32 @sched_yield()
