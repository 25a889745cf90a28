; Starting a program.

; Run the program of a frame whose table is filled. The pool does one job at a time: when it has one, this one is done
; by this thread alone, with the same result. So is a short one while others sleep: it would be done before they are awake.
; But they are woken for those that may follow: at the first such call, then after 2, 4, ... $PATIENCE more, as long as
; no call finds them awake.
define internal i32 @start(ptr %frame) nounwind {
entry:
  %threads.place = getelementptr %Frame, ptr %frame, i32 0, i32 2
  %threads = load i32, ptr %threads.place
  %pool.place = getelementptr %Frame, ptr %frame, i32 0, i32 10
  %pool = load ptr, ptr %pool.place
  %team.place = getelementptr %Frame, ptr %frame, i32 0, i32 3
  %failed = getelementptr %Frame, ptr %frame, i32 0, i32 1
  %mode.place = getelementptr %Frame, ptr %frame, i32 0, i32 14
  %mode = call i64 @mode()
  store i64 %mode, ptr %mode.place
  store i32 0, ptr %failed
  %many = icmp ugt i32 %threads, 1
  br i1 %many, label %claim, label %alone
claim:
  %busy = getelementptr %Pool, ptr %pool, i32 0, i32 8
  %pair = cmpxchg ptr %busy, i32 0, i32 1 acq_rel acquire
  %claimed = extractvalue { i32, i1 } %pair, 1
  br i1 %claimed, label %count, label %alone
count:
  %ready.place = getelementptr %Pool, ptr %pool, i32 0, i32 9
  %ready = load i32, ptr %ready.place
  %enough = icmp uge i32 %ready, %threads
  br i1 %enough, label %choose, label %lacking
lacking:
  store atomic i32 0, ptr %busy release, align 4
  ret i32 $WORKERS
choose:
  %missed.place = getelementptr %Pool, ptr %pool, i32 0, i32 10
  %patience.place = getelementptr %Pool, ptr %pool, i32 0, i32 11
  %short.place = getelementptr %Frame, ptr %frame, i32 0, i32 4
  %short.word = load i32, ptr %short.place
  %short = icmp ne i32 %short.word, 0
  br i1 %short, label %look, label %share
look:
  %awake = call i1 @awake(ptr %pool, i32 %threads)
  br i1 %awake, label %met, label %miss
met:
  store i32 0, ptr %missed.place
  store i32 1, ptr %patience.place
  br label %share
miss:
  %missed.before = load i32, ptr %missed.place
  %missed = add i32 %missed.before, 1
  store i32 %missed, ptr %missed.place
  %patience = load i32, ptr %patience.place
  %due = icmp uge i32 %missed, %patience
  br i1 %due, label %wake, label %leave
wake:
  store i32 0, ptr %missed.place
  %longer = shl i32 %patience, 1
  %longer.least = call i32 @llvm.umax.i32(i32 %longer, i32 2)
  %longer.most = call i32 @llvm.umin.i32(i32 %longer.least, i32 $PATIENCE)
  store i32 %longer.most, ptr %patience.place
  call void @wake_up(ptr %pool, i32 %threads)
  br label %leave
leave:
  store atomic i32 0, ptr %busy release, align 4
  br label %alone
share:
  store i32 %threads, ptr %team.place
  call void @set_mode(i64 $FLUSH)
  call void @together(ptr %frame, ptr %pool, i32 %threads)
  call void @set_mode(i64 %mode)
  store atomic i32 0, ptr %busy release, align 4
  br label %end
alone:
  store i32 1, ptr %team.place
  call void @set_mode(i64 $FLUSH)
  call void @part(ptr %frame, i64 0, i64 1)
  call void @set_mode(i64 %mode)
  br label %end
end:
  %result = load atomic i32, ptr %failed acquire, align 4
  ret i32 %result
}

; Let Python do something, in the caller's mode of arithmetic.
define void @invoke(ptr %frame, i64 %number, ptr %counters) nounwind {
  %mode.place = getelementptr %Frame, ptr %frame, i32 0, i32 14
  %mode = load i64, ptr %mode.place
  %callback.place = getelementptr %Frame, ptr %frame, i32 0, i32 13
  %callback = load ptr, ptr %callback.place
  %table.place = getelementptr %Frame, ptr %frame, i32 0, i32 7
  %table = load ptr, ptr %table.place
  %arena.place = getelementptr %Frame, ptr %frame, i32 0, i32 8
  %arena = load ptr, ptr %arena.place
  call void @set_mode(i64 %mode)
  %result = call i32 %callback(i64 %number, ptr %counters, ptr %arena, ptr %table)
  call void @set_mode(i64 $FLUSH)
  %bad = icmp ne i32 %result, 0
  br i1 %bad, label %raise, label %done
raise:
  %failed = getelementptr %Frame, ptr %frame, i32 0, i32 1
  store atomic i32 $FAILED, ptr %failed release, align 4
  br label %done
done:
  ret void
}

define internal i1 @take(ptr %frame) nounwind {
  %pair = cmpxchg ptr %frame, i32 0, i32 1 acq_rel acquire
  %taken = extractvalue { i32, i1 } %pair, 1
  ret i1 %taken
}

; Run with pointers to the caller's arrays.
define i32 @enter_pointers(ptr %frame, ptr %pointers) nounwind {
  %taken = call i1 @take(ptr %frame)
  br i1 %taken, label %begin, label %used
used:
  ret i32 $BUSY
begin:
  %count.place = getelementptr %Frame, ptr %frame, i32 0, i32 5
  %count = load i32, ptr %count.place
  %bytes = shl i32 %count, 3
  %table.place = getelementptr %Frame, ptr %frame, i32 0, i32 7
  %table = load ptr, ptr %table.place
  call void @llvm.memcpy.p0.p0.i32(ptr %table, ptr %pointers, i32 %bytes, i1 false)
  %result = call i32 @start(ptr %frame)
  store atomic i32 0, ptr %frame release, align 4
  ret i32 %result
}

declare void @llvm.memcpy.p0.p0.i32(ptr, ptr, i32, i1)
declare i32 @llvm.umax.i32(i32, i32)
declare i32 @llvm.umin.i32(i32, i32)
