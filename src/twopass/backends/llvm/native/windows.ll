; Sleepers look again after a millisecond.

define internal void @sleep_on(ptr %word, i32 %old) nounwind {
  call void @Sleep(i32 1)
  ret void
}

define internal void @wake_all(ptr %word) nounwind {
  ret void
}

define internal void @give_way() nounwind {
  %result = call i32 @SwitchToThread()
  ret void
}

declare void @Sleep(i32)
declare i32 @SwitchToThread()
