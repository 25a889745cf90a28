; A built-in function of Python: `self` is an array whose data is the frame, the argument a tuple of arrays.

define internal i32 @enter_objects(ptr %frame, ptr %tuple) nounwind {
entry:
  %count.place = getelementptr %Frame, ptr %frame, i32 0, i32 5
  %count.short = load i32, ptr %count.place
  %count = zext i32 %count.short to i64
  %table.place = getelementptr %Frame, ptr %frame, i32 0, i32 7
  %table = load ptr, ptr %table.place
  %expected.place = getelementptr %Frame, ptr %frame, i32 0, i32 9
  %expected = load ptr, ptr %expected.place
  %array.type.place = getelementptr %Frame, ptr %frame, i32 0, i32 15
  %array.type = load ptr, ptr %array.type.place
  %length.place = getelementptr i8, ptr %tuple, i64 $length
  %length = load i64, ptr %length.place
  %items = getelementptr i8, ptr %tuple, i64 $items
  %complete = icmp eq i64 %length, %count
  br i1 %complete, label %first, label %unlike
first:
  %none = icmp eq i64 %count, 0
  br i1 %none, label %run, label %check
check:
  %i = phi i64 [ 0, %first ], [ %i.next, %good ]
  %item.place = getelementptr ptr, ptr %items, i64 %i
  %item = load ptr, ptr %item.place
  %type.place = getelementptr i8, ptr %item, i64 $type
  %type = load ptr, ptr %type.place
  %is.array = icmp eq ptr %type, %array.type
  br i1 %is.array, label %inside, label %unlike
inside:
  %want = getelementptr %Expected, ptr %expected, i64 %i
  %want.dtype = load ptr, ptr %want
  %dtype.place = getelementptr i8, ptr %item, i64 $dtype
  %dtype = load ptr, ptr %dtype.place
  ; Equal dtypes may be different objects, in arrays that have been unpickled for instance.
  %number.place = getelementptr i8, ptr %dtype, i64 $number
  %number = load i32, ptr %number.place
  %want.number.place = getelementptr i8, ptr %want.dtype, i64 $number
  %want.number = load i32, ptr %want.number.place
  %number.same = icmp eq i32 %number, %want.number
  %order.place = getelementptr i8, ptr %dtype, i64 $order
  %order = load i8, ptr %order.place
  %want.order.place = getelementptr i8, ptr %want.dtype, i64 $order
  %want.order = load i8, ptr %want.order.place
  %order.same = icmp eq i8 %order, %want.order
  %dtype.same = and i1 %number.same, %order.same
  %want.flags.place = getelementptr %Expected, ptr %want, i64 0, i32 2
  %want.flags = load i32, ptr %want.flags.place
  %flags.place = getelementptr i8, ptr %item, i64 $flags
  %flags = load i32, ptr %flags.place
  %flags.both = and i32 %flags, %want.flags
  %flags.set = icmp eq i32 %flags.both, %want.flags
  %sound = and i1 %dtype.same, %flags.set
  br i1 %sound, label %measure, label %unlike
measure:
  %ndim.place = getelementptr i8, ptr %item, i64 $ndim
  %ndim.short = load i32, ptr %ndim.place
  %ndim = zext i32 %ndim.short to i64
  %shape.place = getelementptr i8, ptr %item, i64 $shape
  %shape = load ptr, ptr %shape.place
  br label %axis
axis:
  %k = phi i64 [ 0, %measure ], [ %k.next, %along ]
  %size = phi i64 [ 1, %measure ], [ %size.next, %along ]
  %more = icmp ult i64 %k, %ndim
  br i1 %more, label %along, label %measured
along:
  %length.axis.place = getelementptr i64, ptr %shape, i64 %k
  %length.axis = load i64, ptr %length.axis.place
  %size.next = mul i64 %size, %length.axis
  %k.next = add i64 %k, 1
  br label %axis
measured:
  %want.size.place = getelementptr %Expected, ptr %want, i64 0, i32 1
  %want.size = load i64, ptr %want.size.place
  ; An array without elements still has a place in memory.
  %size.least = call i64 @llvm.umax.i64(i64 %size, i64 1)
  %fits = icmp eq i64 %size.least, %want.size
  br i1 %fits, label %good, label %unlike
good:
  %data.place = getelementptr i8, ptr %item, i64 $data
  %data = load ptr, ptr %data.place
  %cell = getelementptr ptr, ptr %table, i64 %i
  store ptr %data, ptr %cell
  %i.next = add i64 %i, 1
  %last = icmp eq i64 %i.next, %count
  br i1 %last, label %run, label %check
unlike:
  ret i32 $UNLIKE
run:
  %hold.place = getelementptr %Frame, ptr %frame, i32 0, i32 4
  %hold.short = load i32, ptr %hold.place
  %hold = icmp ne i32 %hold.short, 0
  br i1 %hold, label %short, label %long
short:
  %result.short = call i32 @start(ptr %frame)
  ret i32 %result.short
long:
  %interpreter = call ptr @PyEval_SaveThread()
  %result.long = call i32 @start(ptr %frame)
  call void @PyEval_RestoreThread(ptr %interpreter)
  ret i32 %result.long
}

define ptr @enter(ptr %self, ptr %tuple) nounwind {
  %frame.place = getelementptr i8, ptr %self, i64 $data
  %frame = load ptr, ptr %frame.place
  %taken = call i1 @take(ptr %frame)
  br i1 %taken, label %begin, label %used
begin:
  %result = call i32 @enter_objects(ptr %frame, ptr %tuple)
  store atomic i32 0, ptr %frame release, align 4
  br label %end
used:
  br label %end
end:
  %code = phi i32 [ %result, %begin ], [ $BUSY, %used ]
  %code.wide = sext i32 %code to i64
  %object = call ptr @PyLong_FromLongLong(i64 %code.wide)
  ret ptr %object
}

declare i64 @llvm.umax.i64(i64, i64)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare ptr @PyLong_FromLongLong(i64)
