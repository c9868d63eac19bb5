package dev.npcengine;

import java.util.concurrent.Flow;
import java.util.function.Consumer;

/** A subscriber of which it is known that it takes whatever comes. How it ends is for others to know. */
final class Unhurried<T> implements Flow.Subscriber<T> {
    private final Consumer<? super T> listener;

    Unhurried(Consumer<? super T> listener) {
        this.listener = listener;
    }

    @Override
    public void onSubscribe(Flow.Subscription subscription) {}

    @Override
    public void onNext(T item) {
        listener.accept(item);
    }

    @Override
    public void onError(Throwable error) {}

    @Override
    public void onComplete() {}
}
