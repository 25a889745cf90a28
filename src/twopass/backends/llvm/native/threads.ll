; Threads that wait for each other. runtime.py explains it, and fills in what starts with a dollar sign.

; As in the ctypes structures.
%Frame = type { i32, i32, i32, i32, i32, i32, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, i64, ptr }
%Expected = type { ptr, i64, i32, i32 }
%Slot = type { i32, i32, ptr, i32, [44 x i8] }
%Pool = type { i32, [60 x i8], i32, i32, [56 x i8], i32, i32, [56 x i8], i32, i32, i32, i32, [48 x i8], [$MAX_THREADS x %Slot] }

; Return when the word is no longer `old`.
define internal void @await(ptr %word, i32 %old, ptr %sleepers) nounwind {
entry:
  br label %look
look:
  %i = phi i32 [ 0, %entry ], [ %i.next, %again ]
  %seen = load atomic i32, ptr %word acquire, align 4
  %same = icmp eq i32 %seen, %old
  br i1 %same, label %again, label %done
again:
  call void @pause()
  %i.next = add i32 %i, 1
  %looking = icmp ult i32 %i.next, $LOOKS
  br i1 %looking, label %look, label %yield
yield:
  %j = phi i32 [ 0, %again ], [ %j.next, %yield.again ]
  call void @give_way()
  %seen.yield = load atomic i32, ptr %word acquire, align 4
  %same.yield = icmp eq i32 %seen.yield, %old
  br i1 %same.yield, label %yield.again, label %done
yield.again:
  %j.next = add i32 %j, 1
  %yielding = icmp ult i32 %j.next, $YIELDS
  br i1 %yielding, label %yield, label %sleep
sleep:
  %before = atomicrmw add ptr %sleepers, i32 1 seq_cst
  br label %check
check:
  %seen.sleep = load atomic i32, ptr %word seq_cst, align 4
  %same.sleep = icmp eq i32 %seen.sleep, %old
  br i1 %same.sleep, label %nap, label %awake
nap:
  call void @sleep_on(ptr %word, i32 %old)
  br label %check
awake:
  %after = atomicrmw sub ptr %sleepers, i32 1 seq_cst
  br label %done
done:
  ret void
}

; Change a word that others await.
define internal void @change(ptr %word, i32 %new, ptr %sleepers) nounwind {
  %old = atomicrmw xchg ptr %word, i32 %new seq_cst
  %count = load atomic i32, ptr %sleepers seq_cst, align 4
  %any = icmp ne i32 %count, 0
  br i1 %any, label %wake, label %done
wake:
  call void @wake_all(ptr %word)
  br label %done
done:
  ret void
}

; Wait until all threads of the team are here. The last one opens the gate by counting the turns.
define void @barrier(ptr %frame) nounwind {
  %team.place = getelementptr %Frame, ptr %frame, i32 0, i32 3
  %team = load i32, ptr %team.place
  %alone = icmp eq i32 %team, 1
  br i1 %alone, label %done, label %meet
meet:
  %pool.place = getelementptr %Frame, ptr %frame, i32 0, i32 10
  %pool = load ptr, ptr %pool.place
  %arrived = getelementptr %Pool, ptr %pool, i32 0, i32 0
  %turn = getelementptr %Pool, ptr %pool, i32 0, i32 2
  %waiting = getelementptr %Pool, ptr %pool, i32 0, i32 3
  %now = load atomic i32, ptr %turn acquire, align 4
  %earlier = atomicrmw add ptr %arrived, i32 1 acq_rel
  %here = add i32 %earlier, 1
  %last = icmp eq i32 %here, %team
  br i1 %last, label %open, label %wait
open:
  store atomic i32 0, ptr %arrived monotonic, align 4
  %next = add i32 %now, 1
  call void @change(ptr %turn, i32 %next, ptr %waiting)
  br label %done
wait:
  call void @await(ptr %turn, i32 %now, ptr %waiting)
  br label %done
done:
  ret void
}

; Run a thread's part of a program.
define internal void @part(ptr %frame, i64 %thread, i64 %team) nounwind {
  %run.place = getelementptr %Frame, ptr %frame, i32 0, i32 6
  %run = load ptr, ptr %run.place
  %table.place = getelementptr %Frame, ptr %frame, i32 0, i32 7
  %table = load ptr, ptr %table.place
  %arena.place = getelementptr %Frame, ptr %frame, i32 0, i32 8
  %arena = load ptr, ptr %arena.place
  call void %run(ptr %table, ptr %arena, ptr %frame, i64 %thread, i64 %team)
  ret void
}

; The life of a worker: it ends with a job number below zero. A job without a frame only keeps it awake. What it has seen
; tells the caller that it may give another one: the worker has read the frame by then.
define void @work(ptr %pool, i64 %thread) nounwind {
entry:
  %job.place = getelementptr %Pool, ptr %pool, i32 0, i32 13, i64 %thread, i32 0
  %sleepers = getelementptr %Pool, ptr %pool, i32 0, i32 13, i64 %thread, i32 1
  %frame.place = getelementptr %Pool, ptr %pool, i32 0, i32 13, i64 %thread, i32 2
  %seen = getelementptr %Pool, ptr %pool, i32 0, i32 13, i64 %thread, i32 3
  %finished = getelementptr %Pool, ptr %pool, i32 0, i32 5
  %watching = getelementptr %Pool, ptr %pool, i32 0, i32 6
  br label %idle
idle:
  %old = phi i32 [ 0, %entry ], [ %job, %told ]
  call void @await(ptr %job.place, i32 %old, ptr %sleepers)
  %job = load atomic i32, ptr %job.place acquire, align 4
  %over = icmp slt i32 %job, 0
  br i1 %over, label %end, label %busy
busy:
  %frame = load ptr, ptr %frame.place
  store atomic i32 %job, ptr %seen release, align 4
  %nothing = icmp eq ptr %frame, null
  br i1 %nothing, label %told, label %run
run:
  %team.place = getelementptr %Frame, ptr %frame, i32 0, i32 3
  %team = load i32, ptr %team.place
  %team.wide = zext i32 %team to i64
  %mode = call i64 @mode()
  call void @set_mode(i64 $FLUSH)
  call void @part(ptr %frame, i64 %thread, i64 %team.wide)
  call void @set_mode(i64 %mode)
  %earlier = atomicrmw add ptr %finished, i32 1 seq_cst
  %count = load atomic i32, ptr %watching seq_cst, align 4
  %watched = icmp ne i32 %count, 0
  br i1 %watched, label %tell, label %told
tell:
  call void @wake_all(ptr %finished)
  br label %told
told:
  br label %idle
end:
  ret void
}

; Give every worker of the team the frame, do the first part, wait for theirs.
define internal void @together(ptr %frame, ptr %pool, i32 %team) nounwind {
entry:
  %finished = getelementptr %Pool, ptr %pool, i32 0, i32 5
  %watching = getelementptr %Pool, ptr %pool, i32 0, i32 6
  store atomic i32 0, ptr %finished monotonic, align 4
  %team.wide = zext i32 %team to i64
  br label %give
give:
  %thread = phi i64 [ 1, %entry ], [ %thread.next, %ready ]
  %job.place = getelementptr %Pool, ptr %pool, i32 0, i32 13, i64 %thread, i32 0
  %sleepers = getelementptr %Pool, ptr %pool, i32 0, i32 13, i64 %thread, i32 1
  %frame.place = getelementptr %Pool, ptr %pool, i32 0, i32 13, i64 %thread, i32 2
  %seen.place = getelementptr %Pool, ptr %pool, i32 0, i32 13, i64 %thread, i32 3
  %job = load i32, ptr %job.place
  br label %waking
waking:
  ; It may have been woken just now, and not have looked yet.
  %seen = load atomic i32, ptr %seen.place acquire, align 4
  %idle = icmp eq i32 %seen, %job
  br i1 %idle, label %ready, label %wakes
wakes:
  call void @give_way()
  br label %waking
ready:
  store ptr %frame, ptr %frame.place
  %job.up = add i32 %job, 1
  %job.next = and i32 %job.up, 2147483647
  call void @change(ptr %job.place, i32 %job.next, ptr %sleepers)
  %thread.next = add i64 %thread, 1
  %given = icmp eq i64 %thread.next, %team.wide
  br i1 %given, label %do, label %give
do:
  call void @part(ptr %frame, i64 0, i64 %team.wide)
  %others = sub i32 %team, 1
  br label %watch
watch:
  %done = load atomic i32, ptr %finished acquire, align 4
  %all = icmp eq i32 %done, %others
  br i1 %all, label %end, label %wait
wait:
  call void @await(ptr %finished, i32 %done, ptr %watching)
  br label %watch
end:
  ret void
}

; Whether all workers of a team are awake, and would start at once.
define internal i1 @awake(ptr %pool, i32 %team) nounwind {
entry:
  %team.wide = zext i32 %team to i64
  br label %look
look:
  %thread = phi i64 [ 1, %entry ], [ %thread.next, %next ]
  %job.place = getelementptr %Pool, ptr %pool, i32 0, i32 13, i64 %thread, i32 0
  %sleepers.place = getelementptr %Pool, ptr %pool, i32 0, i32 13, i64 %thread, i32 1
  %seen.place = getelementptr %Pool, ptr %pool, i32 0, i32 13, i64 %thread, i32 3
  %job = load i32, ptr %job.place
  %seen = load atomic i32, ptr %seen.place acquire, align 4
  %sleepers = load atomic i32, ptr %sleepers.place acquire, align 4
  %idle = icmp eq i32 %seen, %job
  %wakeful = icmp eq i32 %sleepers, 0
  %good = and i1 %idle, %wakeful
  br i1 %good, label %next, label %end
next:
  %thread.next = add i64 %thread, 1
  %last = icmp eq i64 %thread.next, %team.wide
  br i1 %last, label %end, label %look
end:
  %result = phi i1 [ false, %look ], [ true, %next ]
  ret i1 %result
}

; Wake the workers of a team that sleep, without a job.
define internal void @wake_up(ptr %pool, i32 %team) nounwind {
entry:
  %team.wide = zext i32 %team to i64
  br label %look
look:
  %thread = phi i64 [ 1, %entry ], [ %thread.next, %next ]
  %job.place = getelementptr %Pool, ptr %pool, i32 0, i32 13, i64 %thread, i32 0
  %sleepers = getelementptr %Pool, ptr %pool, i32 0, i32 13, i64 %thread, i32 1
  %frame.place = getelementptr %Pool, ptr %pool, i32 0, i32 13, i64 %thread, i32 2
  %seen.place = getelementptr %Pool, ptr %pool, i32 0, i32 13, i64 %thread, i32 3
  %job = load i32, ptr %job.place
  %seen = load atomic i32, ptr %seen.place acquire, align 4
  %idle = icmp eq i32 %seen, %job
  br i1 %idle, label %give, label %next
give:
  store ptr null, ptr %frame.place
  %job.up = add i32 %job, 1
  %job.next = and i32 %job.up, 2147483647
  call void @change(ptr %job.place, i32 %job.next, ptr %sleepers)
  br label %next
next:
  %thread.next = add i64 %thread, 1
  %last = icmp eq i64 %thread.next, %team.wide
  br i1 %last, label %end, label %look
end:
  ret void
}
