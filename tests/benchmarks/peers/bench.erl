%% The lines of the table, for gen_server. Prints seconds, or bytes, per operation.
%% Run by erlang.py: erl -noshell -s bench main LINE N ACTORS CALLERS FIRST
-module(bench).
-behaviour(gen_server).
-export([main/1, init/1, handle_call/3, handle_cast/2]).

%% The actor: it counts what it is told, and answers with the count.

init([]) -> {ok, 0}.
handle_cast(stop, Count) -> {stop, normal, Count};
handle_cast(_Message, Count) -> {noreply, Count + 1}.
handle_call(_Question, _From, Count) -> {reply, Count, Count}.

%% Some to warm up, then all: the second is the one that counts. But memory, once taken, is not given back.

main([Line | Numbers]) ->
    [N, Actors, Callers, First] = [list_to_integer(atom_to_list(Each)) || Each <- Numbers],
    [measure(Line, warm_up(Line, N, First), Actors, Callers, First) || Line =/= memory],
    io:format("~.12f~n", [float(measure(Line, N, Actors, Callers, First))]),
    halt(0).

warm_up(spawn_one_by_one, _, First) -> First;
warm_up(_, N, _) -> max(1, N div 10).

measure(tell_one, N, _, _, _) -> tell(N, 1);
measure(tell_round_robin, N, Actors, _, _) -> tell(N, Actors);
measure(ask_sequential, N, _, _, _) -> ask(N, 1);
measure(ask_callers, N, _, Callers, _) -> ask(N, min(N, Callers));
measure(spawn_one_by_one, N, _, _, _) ->
    {Took, Pids} = took(fun() -> spawn_all(N) end),
    stop_all(Pids),
    Took / N;
measure(memory, N, _, _, First) ->
    Before = spawn_all(First),
    Old = resident(),
    Pids = spawn_all(N),
    Each = (resident() - Old) / N,
    stop_all(Before ++ Pids),
    Each;
measure(stop_all, N, _, _, _) ->
    Pids = spawn_all(N),
    {Took, _} = took(fun() -> stop_all(Pids) end),
    Took;
measure(lookup, N, Actors, _, _) ->
    Table = ets:new(actors, [public, {read_concurrency, true}]),
    Keys = [{user(Number), key(Number)} || Number <- lists:seq(1, min(N, Actors))],
    Pids = spawn_all(length(Keys)),
    ets:insert(Table, lists:zip(Keys, Pids)),
    Turns = turns(Keys, N),
    {Took, _} = took(fun() -> lists:foreach(fun(Key) -> [{_, _}] = ets:lookup(Table, Key) end, Turns) end),
    ets:delete(Table),
    stop_all(Pids),
    Took / N.

user(Number) -> list_to_binary("user " ++ integer_to_list(Number div 20)).
key(Number) -> list_to_binary("key " ++ integer_to_list(Number rem 20)).

tell(N, Actors) ->
    Pids = spawn_all(Actors),
    Turns = turns(Pids, N),
    {Took, Counts} = took(fun() ->
        lists:foreach(fun(Pid) -> gen_server:cast(Pid, message) end, Turns),
        [gen_server:call(Pid, total, infinity) || Pid <- Pids]
    end),
    N = lists:sum(Counts),
    stop_all(Pids),
    Took / N.

ask(N, Callers) ->
    [Pid] = spawn_all(1),
    Shares = [N div Callers + more(Number, N rem Callers) || Number <- lists:seq(1, Callers)],
    {Took, _} = took(fun() ->
        Asking = [spawn_monitor(fun() -> ask_times(Pid, Share) end) || Share <- Shares],
        wait_all(Asking)
    end),
    stop_all([Pid]),
    Took / N.

more(Number, Rest) when Number =< Rest -> 1;
more(_, _) -> 0.

ask_times(_, 0) -> ok;
ask_times(Pid, Times) ->
    gen_server:call(Pid, question, infinity),
    ask_times(Pid, Times - 1).

%% Helpers

spawn_all(N) -> [element(2, gen_server:start(?MODULE, [], [])) || _ <- lists:seq(1, N)].

stop_all(Pids) ->
    Watched = [{Pid, monitor(process, Pid)} || Pid <- Pids],
    lists:foreach(fun(Pid) -> gen_server:cast(Pid, stop) end, Pids),
    wait_all(Watched).

wait_all(Watched) ->
    [receive {'DOWN', Ref, process, Pid, normal} -> ok end || {Pid, Ref} <- Watched].

turns(Targets, N) -> turns(Targets, Targets, N, []).
turns(_, _, 0, Turns) -> Turns;
turns([], All, N, Turns) -> turns(All, All, N, Turns);
turns([Next | Rest], All, N, Turns) -> turns(Rest, All, N - 1, [Next | Turns]).

took(Work) ->
    Began = erlang:monotonic_time(nanosecond),
    Result = Work(),
    {(erlang:monotonic_time(nanosecond) - Began) / 1.0e9, Result}.

%% Bytes of memory of this process.
resident() ->
    erlang:garbage_collect(),
    {ok, Statm} = file:read_file("/proc/self/statm"),
    [_, Pages | _] = binary:split(Statm, <<" ">>, [global]),
    binary_to_integer(Pages) * 4096.
