; Sleepers look again now and then.

define internal void @sleep_on(ptr %word, i32 %old) nounwind {
  %result = call i32 @usleep(i32 100)
  ret void
}

define internal void @wake_all(ptr %word) nounwind {
  ret void
}

define internal void @give_way() nounwind {
  %result = call i32 @sched_yield()
  ret void
}

declare i32 @usleep(i32)
declare i32 @sched_yield()
